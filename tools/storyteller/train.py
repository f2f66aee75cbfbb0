"""Trains the storyteller: a small Llama on the generated corpus, on a CPU, in an hour or more.

Usage: python train.py RUN_FOLDER --minutes 75 [--resume]

The length of the run is given in minutes, not in steps: the learning rate follows the share of the
time that has passed, so that a busy machine makes the run shorter in tokens but never leaves the
schedule unfinished. Checkpoints hold the optimizers and the random state; `--resume` goes on from
the last one, and the time before it counts.
"""

from __future__ import annotations

import argparse
import csv
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

# On a machine shared with others, a thread that waits must not burn the time the other one needs.
# OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import tokenizer as storyteller_tokenizer
import words


@dataclass(frozen=True)
class ModelConfig:
    """The shape. All sizes are multiples of 32, which suits quantized kernels in browsers."""

    vocab_size: int = 3072
    hidden_size: int = 256
    intermediate_size: int = 704
    num_hidden_layers: int = 5
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    head_dim: int = 32
    max_position_embeddings: int = 1024
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0


@dataclass(frozen=True)
class TrainConfig:
    seed: int = 1
    held_out_seed: int = 2
    documents: int = 150_000
    held_out_documents: int = 60
    sequence: int = 640
    batch: int = 4  # small: few tokens fit into the time, so many small steps teach more
    muon_lr: float = 0.012  # batches are small, and larger steps only jump about
    adam_lr: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: float = 0.02  # shares of the whole time
    constant_until: float = 0.77
    focus_from: float = 0.77  # from then on half of each batch is drawn from `in_focus`
    final_lr: float = 0.02  # of the peak
    copy_weight: float = 2.5
    clip: float = 1.0
    eval_every_s: float = 90.0
    save_every_s: float = 180.0
    threads: int = 2
    bf16: bool = True
    compile: bool = True


# --- data ----------------------------------------------------------------------------------------


def encode_document(doc: corpus.Document, tok: Tokenizer) -> tuple[list[int], list[bool]]:
    """Token ids, and for each whether the model should learn to write it.

    What the reader says is not learned: the storyteller never has to ask for a story.
    """
    special = {name: tok.token_to_id(name) for name in storyteller_tokenizer.SPECIAL}
    end = special["<|end|>"]
    ids, learned = [special["<|begin|>"]], [False]
    if doc.text:
        body = tok.encode(doc.text, add_special_tokens=False).ids
        return [*ids, *body, end], [*learned, *[True] * (len(body) + 1)]
    newline = tok.encode("\n", add_special_tokens=False).ids
    for message in doc.messages:
        body = tok.encode(message["content"], add_special_tokens=False).ids
        ids += [special[f"<|{message['role']}|>"], *newline, *body, end, *newline]
        mine = message["role"] == "assistant"
        learned += [False] * (1 + len(newline)) + [mine] * (len(body) + 1)
        learned += [False] * len(newline)
    return ids, learned


def _encode_range(job: tuple[str, int, int, int]) -> list[tuple[list[int], list[bool]]]:
    path, seed, start, stop = job
    tok = Tokenizer.from_file(path)
    return [encode_document(doc, tok) for doc in corpus.documents(seed, start, stop)]


def pack(
    encoded: list[tuple[list[int], list[bool]]], length: int, pad: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of whole documents: each row takes the longest waiting document that still fits.

    Documents are never cut, so every one is seen from its <|begin|>, as it is when sampling.
    """
    rows, masks = [], []
    waiting: list[tuple[list[int], list[bool]]] = []
    source = iter([e for e in encoded if len(e[0]) <= length])
    exhausted = False
    while True:
        while not exhausted and len(waiting) < 300:
            item = next(source, None)
            exhausted = item is None
            if item is not None:
                waiting.append(item)
        if not waiting:
            break
        ids, learned = waiting.pop(0)
        ids, learned = list(ids), list(learned)
        while True:
            room = length - len(ids)
            fitting = [i for i, e in enumerate(waiting) if len(e[0]) <= room]
            if not fitting:
                break
            more = waiting.pop(max(fitting, key=lambda i: len(waiting[i][0])))
            ids += more[0]
            learned += more[1]
        gap = length - len(ids)
        rows.append(np.array(ids + [pad] * gap, dtype=np.uint16))
        masks.append(np.array(learned + [False] * gap, dtype=bool))
    return np.stack(rows), np.stack(masks)


def load_rows(
    run: Path, seed: int, count: int, config: TrainConfig, tok: Tokenizer
) -> tuple[np.ndarray, np.ndarray]:
    """Generates, encodes and packs `count` documents, or reads them back if that was done."""
    cache = run / f"rows-{seed}-{count}-{config.sequence}.npz"
    if not cache.exists():
        step = max(1, min(2000, count // 2))
        path = str(run / "tokenizer" / "tokenizer.json")
        jobs = [(path, seed, i, min(i + step, count)) for i in range(0, count, step)]
        with multiprocessing.Pool(config.threads) as pool:
            encoded = [e for part in pool.imap(_encode_range, jobs) for e in part]
        rows, masks = pack(encoded, config.sequence + 1, tok.token_to_id("<|pad|>"))
        half = cache.with_name("half-" + cache.name)
        np.savez(half, rows=rows, masks=masks)
        half.rename(cache)
    loaded = np.load(cache)
    return loaded["rows"], loaded["masks"]


def in_focus(rows: np.ndarray, tok: Tokenizer) -> np.ndarray:
    """Numbers of the rows about words that others must agree with: a queen, who is a she; an owl;
    some beads, which are many.

    They are few among all, and "the queen ... he" and "a otter" were the commonest slips by far.
    """
    heroes = [h.noun for h in words.HEROES if h.gender or h.noun[0] in "aeio"]
    nouns = [noun for noun in heroes if not noun.startswith("grand")]
    nouns += [thing.noun for thing in words.THINGS if thing.plural]
    agreeing = _single_tokens(tok, (f" {noun}" for noun in nouns))
    return np.flatnonzero(np.isin(rows, agreeing).sum(axis=1) >= 6)


def batch_at(
    rows: np.ndarray, masks: np.ndarray, step: int, config: TrainConfig, focus: np.ndarray | None
) -> tuple[Tensor, Tensor]:
    """Batch number `step`: a new shuffle each time round, so a resumed run sees the same order."""
    per_epoch = len(rows) // config.batch
    epoch, index = divmod(step, per_epoch)
    order = np.random.default_rng([config.seed, epoch]).permutation(len(rows))
    chosen = order[index * config.batch : (index + 1) * config.batch]
    if focus is not None:
        half = config.batch // 2
        chosen[:half] = np.random.default_rng([config.seed, step]).choice(focus, half)
    return to_tensors(rows[chosen], masks[chosen])


def to_tensors(rows: np.ndarray, masks: np.ndarray) -> tuple[Tensor, Tensor]:
    ids = torch.from_numpy(rows.astype(np.int64))
    targets = ids[:, 1:].clone()
    targets[~torch.from_numpy(masks[:, 1:])] = -100  # what cross_entropy skips
    return ids[:, :-1], targets


# --- the model: the names of modules are those of transformers' LlamaForCausalLM -----------------


BEGIN_ID = storyteller_tokenizer.SPECIAL.index(storyteller_tokenizer.BEGIN)


def own_document(ids: Tensor) -> Tensor:
    """Which earlier tokens each token may look at: those of its own document.

    A row holds about three stories. Left to see them all, the model has to learn first which of
    three heroes is meant; like this, whatever it can see belongs to the story it tells.
    """
    document = (ids == BEGIN_ID).cumsum(dim=1)
    same = document[:, None, :, None] == document[:, None, None, :]
    return same & torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rope_tables(config: ModelConfig, length: int) -> tuple[Tensor, Tensor]:
    half = torch.arange(0, config.head_dim, 2).float() / config.head_dim
    angles = torch.outer(torch.arange(length).float(), config.rope_theta**-half)
    angles = torch.cat((angles, angles), dim=-1)  # the two halves turn together, as in transformers
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.kv_heads = config.num_key_value_heads
        self.head_dim = config.head_dim
        wide, narrow = self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


@torch.no_grad()
def start_copying(attention: Attention, directions: Tensor, strength: float = 0.8) -> None:
    """Lets the heads pass on what they look at, so that only where to look has to be learned.

    Value and output matrices get a common part, one the transpose of the other: what a head reads
    along the `directions` (columns, 32 for each key-value head) it writes back unchanged.
    """
    basis = torch.linalg.qr(directions)[0].T
    for kv_head in range(attention.kv_heads):
        part = strength * basis[kv_head :: attention.kv_heads][: attention.head_dim]
        rows = slice(kv_head * attention.head_dim, (kv_head + 1) * attention.head_dim)
        attention.v_proj.weight[rows] += part
        for head in range(attention.heads):
            if head // (attention.heads // attention.kv_heads) == kv_head:
                columns = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
                attention.o_proj.weight[:, columns] += part.T


class MLP(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Llama(nn.Module):
    """Returns the weighted loss. The output layer is the embedding itself, tied."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, length: int) -> None:
        super().__init__()
        self.model = Decoder(config)
        cos, sin = rope_tables(config, length)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = 0.02 / math.sqrt(2 * config.num_hidden_layers) if last else 0.02
                nn.init.normal_(parameter, std=scale)
        for layer in self.model.layers[2:4]:
            start_copying(layer.self_attn, torch.randn(config.hidden_size, config.hidden_size))

    def forward(self, ids: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        x = self.model.embed_tokens(ids)
        mask = own_document(ids)
        cos, sin = self.cos[: ids.shape[1]].to(x.dtype), self.sin[: ids.shape[1]].to(x.dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin, mask)
        logits = F.linear(self.model.norm(x), self.model.embed_tokens.weight)
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-100, reduction="none"
        )
        return (losses * weights.flatten()).sum() / weights.sum()


AGREEING = "he she his her him himself herself He She His Her a an A An was were it them"


def _single_tokens(tok: Tokenizer, texts: Iterable[str]) -> list[int]:
    found = [tok.encode(text, add_special_tokens=False).ids for text in texts]
    return [ids[0] for ids in found if len(ids) == 1]


def tokens_that_count(rows: np.ndarray, tok: Tokenizer) -> tuple[Tensor, Tensor]:
    """Two marks over the vocabulary: tokens that, once said, tend to come again, and tokens that
    must agree from the first time on (pronouns, first names, articles, verbs).

    The former are the rare ones: the plots' own words are few, and therefore common.
    """
    share = np.bincount(rows.ravel(), minlength=tok.get_vocab_size()) / rows.size
    rare = torch.from_numpy(share < 0.004)
    agreeing = torch.zeros(len(rare), dtype=torch.bool)
    texts = [*AGREEING.split(), *words.NAMES_F, *words.NAMES_M]
    agreeing[_single_tokens(tok, [*texts, *(f" {word}" for word in texts)])] = True
    return rare, agreeing


def token_weights(
    ids: Tensor, targets: Tensor, marks: tuple[Tensor, Tensor], weight: float
) -> Tensor:
    """What each token counts: more, where the story takes up again what was said before.

    Most of the loss is chance: which of ten phrasings comes next cannot be known. Without this,
    that noise hides the little that must be learned, to keep to one hero, one place and one thing.
    """
    rare, agreeing = (mark[targets.clamp(min=0)] for mark in marks)
    learned = targets != -100
    said = ((targets[:, :, None] == ids[:, None, :]) & own_document(ids)[:, 0]).any(dim=2)
    return learned * (1.0 + (weight - 1.0) * ((said & rare) | agreeing))


# --- training ------------------------------------------------------------------------------------


def make_optimizers(model: Llama, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    return [
        torch.optim.Muon(matrices, lr=config.muon_lr, weight_decay=config.weight_decay),
        torch.optim.AdamW(rest, lr=config.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def lr_scale(progress: float, config: TrainConfig) -> float:
    """Up quickly, level, then straight down to almost nothing when the time is over."""
    if progress < config.warmup:
        return max(progress / config.warmup, 0.01)
    if progress < config.constant_until:
        return 1.0
    down = min(1.0, (progress - config.constant_until) / (1 - config.constant_until))
    return 1.0 - (1.0 - config.final_lr) * down


def held_out_loss(model: nn.Module, batches: list[tuple[Tensor, Tensor]], bf16: bool) -> float:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        losses = [model(x, y, (y != -100).float()).item() for x, y in batches]
    return sum(losses) / len(losses)


def save_checkpoint(path: Path, state: dict[str, object]) -> None:
    half = path.with_suffix(".half")
    torch.save(state, half)
    os.replace(half, path)


def held_out_batches(
    run: Path, config: TrainConfig, tok: Tokenizer
) -> Iterator[tuple[Tensor, Tensor]]:
    rows, masks = load_rows(run, config.held_out_seed, config.held_out_documents, config, tok)
    for i in range(0, len(rows) - config.batch + 1, config.batch):
        yield to_tensors(rows[i : i + config.batch], masks[i : i + config.batch])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="folder for the data, checkpoints and the log")
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    config, shape = TrainConfig(), ModelConfig()
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    run: Path = args.run
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "tokenizer" / "tokenizer.json").exists():
        storyteller_tokenizer.save(storyteller_tokenizer.train(config.seed), run / "tokenizer")
    tok = Tokenizer.from_file(str(run / "tokenizer" / "tokenizer.json"))
    rows, masks = load_rows(run, config.seed, config.documents, config, tok)
    held_out = list(held_out_batches(run, config, tok))
    focus = in_focus(rows, tok)
    marks = tokens_that_count(rows, tok)

    model = Llama(shape, config.sequence)
    optimizers = make_optimizers(model, config)
    step, tokens, spent = 0, 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if args.resume:
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["rng"])
        step, tokens, spent = state["step"], state["tokens"], state["seconds"]
    compiled = torch.compile(model) if config.compile else model
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, {rows.size:,} tokens in {len(rows):,} rows", flush=True)

    log = (run / "loss.csv").open("a" if args.resume else "w", newline="", encoding="utf-8")
    writer = csv.writer(log)
    if not args.resume:
        writer.writerow(["step", "tokens", "seconds", "train_loss", "held_out_loss", "lr_scale"])
    peaks = [group["lr"] for o in make_optimizers(model, config) for group in o.param_groups]
    began = time.monotonic() - spent
    last_eval, last_save, recent = spent, spent, []
    while True:
        spent = time.monotonic() - began
        progress = spent / (60 * args.minutes)
        done = progress >= 1
        if done or spent - last_eval >= config.eval_every_s or step == 20:
            loss = held_out_loss(model, held_out, config.bf16)
            average = sum(recent) / max(1, len(recent))
            line = [step, tokens, round(spent), f"{average:.4f}", f"{loss:.4f}"]
            writer.writerow([*line, f"{lr_scale(progress, config):.3f}"])
            log.flush()
            print(*line, f"{tokens / max(spent, 1):.0f} tokens/s", flush=True)
            last_eval, recent = spent, []
        if done or spent - last_save >= config.save_every_s:
            state = {
                "model": model.state_dict(),
                "optimizers": [o.state_dict() for o in optimizers],
                "rng": torch.get_rng_state(),
                "step": step,
                "tokens": tokens,
                "seconds": spent,
                "minutes": args.minutes,
                "config": asdict(shape),
                "documents": config.documents,
            }
            save_checkpoint(checkpoint, state)
            last_save = spent
        if done:
            break
        scale = lr_scale(progress, config)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * scale
        focused = focus if progress >= config.focus_from else None
        ids, targets = batch_at(rows, masks, step, config, focused)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            loss = compiled(ids, targets, token_weights(ids, targets, marks, config.copy_weight))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        recent.append(loss.item())
        step += 1
        tokens += ids.numel()
    log.close()


if __name__ == "__main__":
    main()
