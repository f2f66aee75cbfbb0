"""Write what the browser's JavaScript must reproduce, computed in Python.

    make oracles        # rewrites tests/runtime/oracles/*.json

sampling.json    kept tokens and probabilities as Hugging Face transformers warps logits, and the
                 pseudo-random numbers of a seed
tokenizers.json  the small tokenizers of tokenizer_families.py, with ids and texts from the
                 `tokenizers` library
charsmaps.json   those of tokenizer_charsmaps.py, with the same texts: SentencePiece's compiled maps
pruned.json      tokenizers of each kind that keep only the tokens of one script, with the new ids
                 of the same texts
chat.json        tests/runtime/templates, rendered by Jinja2 as in transformers
cache.json       what layers keep between tokens, as a manifest says it, and the tensors of a graph

Everything is seeded: a second run writes the same bytes. Needs the packages of `sitegen[dev]`.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from chat_oracles import chat
from tokenizer_charsmaps import COMPILED, normalized
from tokenizer_families import FAMILIES
from tokenizer_texts import CORPUS, LONG, TEXTS
from tokenizers import Tokenizer

from sitegen.models.manifest import layer_cache
from sitegen.models.network.inventory import (
    AttentionCache,
    ConvolutionCache,
    LayerCache,
    cache_tensors,
)
from sitegen.models.tokens.sample import Sample
from sitegen.models.tokens.vocabulary import prune

ORACLES = Path(__file__).parent.parent / "tests" / "runtime" / "oracles"

# ------------------------------------------------------------------------------------ sampling


def warp(logits: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Probabilities (vocab,) as transformers' Temperature-, TopK- and TopPLogitsWarper leave them.

    transformers/generation/logits_process.py, 4.57, written out in numpy with one difference:
    of equal logits the higher id is cut first (torch.sort leaves their order open).
    """
    scores = logits.astype(np.float64) / temperature
    if top_k > 0:
        kth = np.sort(scores)[-min(top_k, len(scores))]
        scores = np.where(scores < kth, -np.inf, scores)
    if top_p < 1:
        order = np.lexsort((-np.arange(len(scores)), scores))  # ascending, equal ones by falling id
        cumulative = np.cumsum(softmax(scores[order]))
        removed = cumulative <= 1 - top_p
        removed[-1] = False
        scores[order[removed]] = -np.inf
    return softmax(scores)


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def xoshiro(seed: int, count: int) -> list[int]:
    """The first outputs (32 bits) of xoshiro128**, its state filled by splitmix32."""
    mask = 0xFFFFFFFF
    state = (seed & mask) ^ ((seed >> 32) * 0x85EBCA6B & mask)
    s = []
    for _ in range(4):
        state = (state + 0x9E3779B9) & mask
        z = state
        z = (z ^ (z >> 16)) * 0x21F0AAAD & mask
        z = (z ^ (z >> 15)) * 0x735A2D97 & mask
        s.append(z ^ (z >> 15))

    def rotate(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & mask

    outputs = []
    for _ in range(count):
        outputs.append(rotate(s[1] * 5 & mask, 7) * 9 & mask)
        t = s[1] << 9 & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 11)
    return outputs


def sampling() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    cases = []
    settings = [
        (temperature, top_k, top_p)
        for temperature in (0.3, 1.0, 1.7)
        for top_k in (0, 1, 5, 50, 100_000)
        for top_p in (0.05, 0.5, 0.9, 0.999, 1.0)
    ]
    for number, (temperature, top_k, top_p) in enumerate(settings):
        vocab = (7, 60, 300)[number % 3]
        scale = (0.5, 3.0, 12.0)[number // 3 % 3]
        # Rounded, so that the JSON is short and some logits are equal.
        logits = np.round(rng.normal(0, scale, vocab), 1).astype(np.float32)
        probabilities = warp(logits, temperature, top_k, top_p)
        kept = np.flatnonzero(probabilities)
        kept = kept[np.lexsort((kept, -probabilities[kept]))]
        cases.append(
            {
                "logits": [round(float(x), 1) for x in logits],
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
                "ids": kept.tolist(),
                "probabilities": [float(f"{p:.9g}") for p in probabilities[kept]],
            }
        )
    seeds = [0, 1, 42, 2**31, 2**32 - 1, 2**32, 2**53 - 1]
    return {"cases": cases, "random": [{"seed": s, "outputs": xoshiro(s, 8)} for s in seeds]}


# ---------------------------------------------------------------------------------- tokenizers


def reference_decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Text of ids, special tokens skipped.

    `tokenizers` turns a whole run of byte tokens into U+FFFD when one of them is invalid, so
    what it said before is not final. The browser keeps the valid characters of such a run, as
    the byte-level decoder does; everywhere else it equals `tokenizers`.
    """
    if "ByteFallback" not in str(tokenizer.decoder):
        return tokenizer.decode(list(ids))
    added = tokenizer.get_added_tokens_decoder()
    data = b""
    for number in ids:
        # An added token is its own text; tokenizers 0.23 gives that of a normalized one normalized.
        token = added[number].content if number in added else tokenizer.id_to_token(number)
        if token is None or (number in added and added[number].special):
            continue
        if len(token) == 6 and token.startswith("<0x"):
            data += bytes([int(token[3:5], 16)])
        else:
            data += token.replace("▁", " ").encode()
    text = data.decode(errors="replace")
    return text[1:] if "Strip(" in str(tokenizer.decoder) and text.startswith(" ") else text


def tokenizer_cases(json_text: str, name: str) -> dict[str, Any]:
    tokenizer = Tokenizer.from_str(json_text)
    draw = random.Random(name)
    vocab = tokenizer.get_vocab_size()
    texts = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = reference_decode(tokenizer, ids)
        texts.append({"ids": ids, "decoded": None if decoded == text else decoded})
        if plain != ids:
            texts[-1]["plain"] = plain
    sequences = []
    for number in range(36):
        if number % 3 == 0:  # any tokens, most of them half characters
            ids = [draw.randrange(vocab) for _ in range(draw.randrange(1, 24))]
        elif number % 3 == 1:  # single bytes or letters
            ids = [draw.randrange(min(vocab, 262)) for _ in range(draw.randrange(1, 24))]
        else:  # pieces of real text
            source = tokenizer.encode(draw.choice(CORPUS[3:])).ids
            start = draw.randrange(len(source))
            ids = source[start : start + draw.randrange(1, 24)]
        before = tokenizer.encode(draw.choice(CORPUS[:3])).ids
        sequences.append(
            {
                "ids": ids,
                "decoded": reference_decode(tokenizer, ids),
                "before": before,
                "continued": reference_decode(tokenizer, before + ids)[
                    len(reference_decode(tokenizer, before)) :
                ],
            }
        )
    long = []
    for piece, times in LONG:
        ids = tokenizer.encode(piece * times).ids
        digest = hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()
        long.append({"count": len(ids), "sha256": digest})
    return {
        "name": name,
        "tokenizer": json.loads(json_text),
        "texts": texts,
        "sequences": sequences,
        "long": long,
    }


def families(made: Sequence[Callable[[], Any]]) -> list[dict[str, Any]]:
    return [
        tokenizer_cases(json.dumps(family(), ensure_ascii=False), family.__name__)
        for family in made
    ]


def tokenizers() -> dict[str, Any]:
    return {
        "texts": TEXTS,
        "long": [{"piece": piece, "times": times} for piece, times in LONG],
        "families": families(FAMILIES),
    }


def charsmaps() -> list[dict[str, Any]]:
    """Each with short texts and what its map alone makes of them."""
    found = families(COMPILED)
    for family in found:
        steps = family["tokenizer"]["normalizer"]["normalizers"]
        charsmap = next(step for step in steps if step["type"] == "Precompiled")
        family["normalized"] = normalized(charsmap)
    return found


# ----------------------------------------------------------------------------- pruned vocabularies

# Family → the script whose tokens stay. Without Latin, the two that know bytes spell nearly all so.
PRUNED = {
    "gpt2": "Latn",
    "llama3": "Latn",
    "qwen2": "Latn",
    "llama2": "Grek",
    "gemma": "Grek",
    "metaspace": "Latn",
    "t5": "Latn",
    "llm_jp": "Grek",
    "bert": "Cyrl",
}


def pruned() -> list[dict[str, Any]]:
    cases = []
    for family in FAMILIES:
        if family.__name__ in PRUNED:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "tokenizer.json")
                path.write_text(json.dumps(family()), encoding="utf-8")
                rows = Tokenizer.from_file(str(path)).get_vocab_size()
                sample = Sample(frozenset({PRUNED[family.__name__]}), bound=(), texts=())
                found = prune({path.name: path}, rows, None, sample, Path(folder))
                text = found.files[path.name].read_text(encoding="utf-8")
            ids = [encoding.ids for encoding in Tokenizer.from_str(text).encode_batch(TEXTS)]
            cases.append({"name": family.__name__, "tokenizer": json.loads(text), "ids": ids})
    return cases


# --------------------------------------------------------------------------------------- cache


def cache() -> dict[str, Any]:
    """Layers of every kind, and of different sizes: a layer's number counts those of all kinds."""
    layers: list[LayerCache] = [
        ConvolutionCache(length=2, width=64),
        AttentionCache(heads=2, head_dim=16),
        ConvolutionCache(length=3, width=96),
        AttentionCache(heads=1, head_dim=256),
    ]
    return {
        "layers": [layer_cache(layer).model_dump(mode="json") for layer in layers],
        "tensors": [asdict(tensor) for tensor in cache_tensors(layers)],
    }


def main() -> None:
    ORACLES.mkdir(parents=True, exist_ok=True)
    for name, value in [
        ("sampling", sampling()),
        ("tokenizers", tokenizers()),
        ("charsmaps", charsmaps()),
        ("pruned", pruned()),
        ("chat", chat()),
        ("cache", cache()),
    ]:
        path = ORACLES / f"{name}.json"
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        path.write_text(text + "\n", encoding="utf-8")
        print(f"{path.name}: {len(text):,} characters")


if __name__ == "__main__":
    main()
