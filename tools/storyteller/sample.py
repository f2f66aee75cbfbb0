"""Lets the exported model tell 30 stories it has never seen the ingredients of together.

Usage: python sample.py [--model FOLDER] [--temperature 0.8] [--count 30] [--seed 13]

Reads the exported files through transformers, so what is judged is what is shipped. Writes
`stories.md` beside the model: each story, a mechanical check that hero, place and thing occur, and
the verdict of a person from `verdicts.txt`. That file begins with a fingerprint of the stories; if
the stories are other ones, the old verdicts are left out rather than put under the wrong story.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from export import BUILTIN

REQUESTS = [
    "Tell a story about {hero}, {place} and {thing}.",
    "Write a short story about {hero}, {place} and {thing}.",
    "Tell me a story with {hero}, {place} and {thing}.",
]
VERDICTS = Path(__file__).parent / "verdicts.txt"


def requests(seed: int, count: int) -> list[tuple[str, corpus.Cast]]:
    casts = corpus.unseen_casts(seed, count)
    asked = []
    for number, cast in enumerate(casts):
        words = {"hero": cast.a_hero(), "place": cast.a_place(), "thing": cast.a_thing()}
        asked.append((REQUESTS[number % len(REQUESTS)].format(**words), cast))
    return asked


def tell(model_folder: Path, prompts: list[str], temperature: float, seed: int) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(model_folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    torch.manual_seed(seed)
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    inputs = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        ids = model.generate(**inputs, temperature=temperature)
    answers = ids[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(answers, skip_special_tokens=True)]


def missing(story: str, cast: corpus.Cast) -> list[str]:
    return [word for word in cast.triple if word not in story]


def read_verdicts(fingerprint: str) -> list[str]:
    """One line for each story: "good", or what is wrong with it."""
    if not VERDICTS.exists():
        return []
    first, *verdicts = VERDICTS.read_text(encoding="utf-8").splitlines()
    return verdicts if first == fingerprint else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=BUILTIN)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=13)
    args = parser.parse_args()
    asked = requests(args.seed, args.count)
    stories = tell(args.model, [prompt for prompt, _ in asked], args.temperature, args.seed)
    fingerprint = hashlib.sha256("\0".join(stories).encode()).hexdigest()[:16]
    verdicts = read_verdicts(fingerprint) or ["not judged"] * len(stories)
    good = verdicts.count("good")
    lines = [
        f"# {len(stories)} stories about things it has never seen together",
        "",
        f"Sampled from the exported model at temperature {args.temperature:g} (top-k and top-p as",
        f"in `generation_config.json`, seed {args.seed}); nothing was picked or left out. Hero,",
        "place and thing of each request were held out of training together. Each story was read",
        "and judged: is it grammatical, does it hang together, does it have what was asked for?",
        "",
        f"**Good: {good} of {len(stories)}.**" if good else "**Not judged yet.**",
        "",
    ]
    for number, ((prompt, cast), story, verdict) in enumerate(
        zip(asked, stories, verdicts, strict=True), start=1
    ):
        absent = missing(story, cast)
        check = "all three named" if not absent else "not named: " + ", ".join(absent)
        quoted = "\n".join("> " + line if line else ">" for line in story.splitlines())
        lines += [f"## {number}. {prompt}", "", quoted, "", f"*{check}; {verdict}*", ""]
    half = args.model / "stories.md.half"
    half.write_text("\n".join(lines), encoding="utf-8")
    os.replace(half, args.model / "stories.md")
    named = sum(not missing(story, cast) for story, (_, cast) in zip(stories, asked, strict=True))
    print(f"fingerprint {fingerprint}; all three named in {named} of {len(stories)}; good: {good}")


if __name__ == "__main__":
    main()
