"""Write what the browser's JavaScript must reproduce, computed in Python.

    python tools/oracles.py        # rewrites tests/runtime/oracles/*.json

sampling.json    kept tokens and probabilities as Hugging Face transformers warps logits, and the
                 pseudo-random numbers of a seed
tokenizers.json  small tokenizers of four kinds, trained here, with ids and texts from the
                 `tokenizers` library
chat.json        the templates of tests/runtime/templates, rendered by Jinja2 as in transformers

Everything is seeded: a second run writes the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import jinja2.sandbox
import numpy as np
import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

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

CORPUS = [
    "Once upon a time there was a little fox who lived by the river.",
    'The fox said: "Don\'t go there!" and ran home, quickly; nobody followed.',
    "def add(a, b):\n    return a + b  # 12345",
    "Das Mädchen aß süße Äpfel. Élève, façade, naïve, Ωmega, Привет мир.",
    "今天天气很好。東京は日本の首都です。 한국어 문장입니다.",
    "emoji: 🦊🌍👩‍👩‍👧‍👦 🏳️‍🌈 done 🇩🇪",
]
TEXTS = [
    *CORPUS,
    "",
    " ",
    "  two  spaces ",
    "a\n\nb\tc",
    "unseen words: xylophone zebra 漢字 🧬 ẞ",
    "<|end|>after a special token",
    "it's we're they'll I'd",
    "0 00 000 0000 3.14159",
]


def byte_level() -> Tokenizer:
    """GPT-2's kind: SmolLM, and with another split Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<|end|>", "<|start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level_split() -> Tokenizer:
    tokenizer = byte_level()
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def byte_fallback() -> Tokenizer:
    """SentencePiece's kind as Llama 2, Mistral and Gemma carry it."""
    trained = Tokenizer(models.BPE())
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    trained.normalizer = normalizers.Sequence(steps)
    trainer = trainers.BpeTrainer(vocab_size=160, show_progress=False, special_tokens=[])
    trained.train_from_iterator(CORPUS[:3], trainer)  # the other scripts fall back to bytes
    model = json.loads(trained.to_str())["model"]
    special = ["<unk>", "<s>", "<|end|>"]
    names = special + [f"<0x{byte:02X}>" for byte in range(256)]
    names += [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: number for number, name in enumerate(names)},
            merges=[tuple(merge) for merge in model["merges"]],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "<s>", "<|end|>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


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
        token = tokenizer.id_to_token(number)
        if token is None or (number in added and added[number].special):
            continue
        if len(token) == 6 and token.startswith("<0x"):
            data += bytes([int(token[3:5], 16)])
        else:
            data += token.replace("▁", " ").encode()
    text = data.decode(errors="replace")
    return text[1:] if text.startswith(" ") else text


def tokenizer_cases(name: str, tokenizer: Tokenizer) -> dict[str, Any]:
    draw = random.Random(name)
    vocab = tokenizer.get_vocab_size()
    texts = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        texts.append(
            {
                "text": text,
                "ids": ids,
                "ids_without_special": plain,
                "decoded": reference_decode(tokenizer, ids),
            }
        )
    sequences = []
    for number in range(120):
        if number % 3 == 0:  # any tokens, most of them half characters
            ids = [draw.randrange(vocab) for _ in range(draw.randrange(1, 40))]
        elif number % 3 == 1:  # single bytes or letters
            ids = [draw.randrange(min(vocab, 262)) for _ in range(draw.randrange(1, 40))]
        else:  # pieces of real text
            source = tokenizer.encode(draw.choice(CORPUS[3:])).ids
            start = draw.randrange(len(source))
            ids = source[start : start + draw.randrange(1, 30)]
        cut = draw.randrange(len(ids) + 1)
        before = tokenizer.encode(draw.choice(CORPUS)).ids
        sequences.append(
            {
                "ids": ids,
                "cut": cut,
                "decoded": reference_decode(tokenizer, ids),
                "before": before,
                "continued": reference_decode(tokenizer, before + ids)[
                    len(reference_decode(tokenizer, before)) :
                ],
            }
        )
    return {
        "name": name,
        "tokenizer": json.loads(tokenizer.to_str()),
        "texts": texts,
        "sequences": sequences,
    }


def tokenizer_oracles() -> list[dict[str, Any]]:
    makers: Mapping[str, Callable[[], Tokenizer]] = {
        "byte-level": byte_level,
        "byte-level-split": byte_level_split,
        "byte-fallback": byte_fallback,
        "metaspace": metaspace,
    }
    return [tokenizer_cases(name, make()) for name, make in makers.items()]


# -------------------------------------------------------------------------------- chat templates

TEMPLATES = ORACLES.parent / "templates"

CONVERSATIONS = [
    [{"role": "user", "content": "Hello!"}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "  Two\nlines with spaces  "},
    ],
    [
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": " It is 4. "},
        {"role": "user", "content": "Thanks 🦊 {{ not a template }} <b>"},
    ],
    [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}],
]


def render(path: Path, messages: Any, variables: Mapping[str, Any]) -> dict[str, str]:
    """As transformers/utils/chat_template_utils.py compiles and renders a template."""

    def raise_exception(message: str) -> None:
        raise jinja2.exceptions.TemplateError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.globals["raise_exception"] = raise_exception
    try:
        template = environment.from_string(path.read_text(encoding="utf-8"))
        text = template.render(messages=messages, **variables)
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}
    return {"text": text}


def chat() -> list[dict[str, Any]]:
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    variables = {**tokens, "tools": None, "documents": None, "add_generation_prompt": True}
    return [
        {"name": path.stem, "messages": messages, **tokens, **render(path, messages, variables)}
        for path in sorted(TEMPLATES.glob("*.jinja"))
        for messages in CONVERSATIONS
    ]


def main() -> None:
    ORACLES.mkdir(parents=True, exist_ok=True)
    for name, value in [
        ("sampling", sampling()),
        ("tokenizers", tokenizer_oracles()),
        ("chat", chat()),
    ]:
        path = ORACLES / f"{name}.json"
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        path.write_text(text + "\n", encoding="utf-8")
        print(f"{path.name}: {len(text):,} characters")


if __name__ == "__main__":
    main()
