"""Write tests/runtime/oracles/processors.json: what transformers' own logits processors make.

    make oracles

Each case holds logits, a prompt and an answer so far; "logprobs" are those of the likeliest tokens
and of the answer's last one, by the logits alone. Bias, repetition_penalty and min_p, and the
order of all, are those of transformers, run here; it has no frequency_penalty and presence_penalty,
which are computed as OpenAI's documentation says, where its order of penalties would have them.
Needs PyTorch and transformers, in `.venv-parity`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PretrainedConfig
from transformers.generation.utils import GenerationMixin

ORACLE = Path(__file__).parent.parent / "tests" / "runtime" / "oracles" / "processors.json"
WARPERS = ("temperature", "top_k", "top_p", "min_p")


class CountPenalties(LogitsProcessor):
    """mu[j] - c[j] * frequency_penalty - (c[j] > 0) * presence_penalty, c counted in the answer."""

    def __init__(self, prompt_length: int, frequency_penalty: float, presence_penalty: float):
        self.prompt_length = prompt_length
        self.frequency_penalty = frequency_penalty
        self.presence_penalty = presence_penalty

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        answer = input_ids[:, self.prompt_length :]
        counts = torch.zeros_like(scores).scatter_add_(1, answer, torch.ones(answer.shape))
        return scores - counts * self.frequency_penalty - (counts > 0) * self.presence_penalty


class Bare(GenerationMixin):
    """As much of a model as the choice of processors asks for."""

    config = PretrainedConfig()


def processors(options: dict[str, Any], prompt_length: int) -> LogitsProcessorList:
    """Those that `generate` would run, in its order; the counting ones ahead of the warpers."""
    bias = {(int(token),): value for token, value in options["logit_bias"].items()}
    config = GenerationConfig(
        do_sample=options["temperature"] > 0,
        **{name: options[name] for name in WARPERS if options["temperature"] > 0},
        repetition_penalty=options["repetition_penalty"],
        sequence_bias=bias or None,
    )
    chosen = Bare()._get_logits_processor(config, input_ids_seq_length=prompt_length)
    at = next((n for n, each in enumerate(chosen) if "Warper" in type(each).__name__), len(chosen))
    names = ("frequency_penalty", "presence_penalty")
    chosen.insert(at, CountPenalties(prompt_length, *(options[name] for name in names)))
    return chosen


def case(rng: np.random.Generator, options: dict[str, Any]) -> dict[str, Any]:
    vocab = int(rng.choice([9, 60, 200]))
    logits = rng.normal(0, rng.choice([1.0, 4.0]), vocab).astype(np.float32).round(3)
    prompt, answer = (rng.integers(0, vocab, size).tolist() for size in rng.integers(1, 12, 2))
    biased = rng.choice(vocab, 3, replace=False).tolist() if options.pop("biased") else []
    options["logit_bias"] = {str(token): round(rng.normal(0, 3), 2) for token in biased}
    ids = torch.tensor([prompt + answer])
    scores = processors(options, len(prompt))(ids, torch.tensor(logits)[None])
    if options["temperature"] == 0:
        expected: dict[str, Any] = {"scores": scores[0].tolist()}
    else:
        probabilities = torch.softmax(scores[0].double(), -1).numpy()
        kept = np.flatnonzero(probabilities)
        kept = kept[np.lexsort((kept, -probabilities[kept]))]
        expected = {
            "ids": kept.tolist(),
            "probabilities": [float(f"{p:.8g}") for p in probabilities[kept]],
        }
    own = torch.log_softmax(torch.tensor(logits).double(), -1).numpy()
    likeliest = np.lexsort((np.arange(vocab), -own))[:6].tolist()
    expected["logprobs"] = [
        [token, float(f"{own[token]:.12g}")] for token in [*likeliest, answer[-1]]
    ]
    logits_text = [float(f"{x:.3f}") for x in logits]
    return {
        "options": options,
        "prompt": prompt,
        "answer": answer,
        "logits": logits_text,
        **expected,
    }


def main() -> None:
    rng = np.random.default_rng(4)
    cases = []
    for number in range(96):
        options = {
            "temperature": (0, 0.7, 1.0, 1.6)[number % 4],
            "top_k": (0, 8, 0)[number % 3],
            "top_p": (1.0, 0.9)[number // 4 % 2],
            "min_p": (0.0, 0.05, 0.4)[number // 8 % 3],
            "repetition_penalty": (1.0, 1.3, 0.8)[number // 3 % 3],
            "frequency_penalty": (0.0, 0.5, -0.7)[number // 5 % 3],
            "presence_penalty": (0.0, 0.0, 1.1)[number // 7 % 3],
            "biased": number % 5 < 2,
        }
        cases.append(case(rng, options))
    text = json.dumps(cases, separators=(",", ":"))
    ORACLE.write_text(text + "\n", encoding="utf-8")
    print(f"{ORACLE.name}: {len(text):,} characters")


if __name__ == "__main__":
    main()
