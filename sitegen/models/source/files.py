"""Which files of a folder or a repository make up a model, by their names alone.

Standard library only: a build whose models are cached comes through here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from sitegen.errors import ModelError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# To add a name here is to raise VERSION in lock.py: older locks do not know of the file. (Those of
# SLOW need not: without a tokenizer.json, older ones pinned nothing.)
METADATA = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "README.md",
)
LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "LICENCE.md", "LICENCE.txt")
NEEDED = {
    "config.json": "says which architecture the weights belong to",
    "tokenizer.json": "turns text into tokens",
}
# What tokenizers read that are not fast, any of these sets; and what they read beside it.
SLOW = (
    ("tokenizer.model",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
)
SLOW_MORE = ("added_tokens.json",)
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
FOREIGN = {".gguf": "GGUF", ".onnx": "ONNX", ".h5": "TensorFlow", ".msgpack": "Flax"}

# They open a device, with any suffix: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)

Place = Literal["folder", "hub"]


@dataclass(frozen=True)
class Chosen:
    """The files of a model; every name is that of a file directly in the folder."""

    files: dict[str, str]  # what it is called here: METADATA, SLOW, or LICENSE → its own name
    weights: tuple[str, ...]  # safetensors
    index: str | None

    @property
    def names(self) -> list[str]:
        """Every file once, small ones first."""
        index = [] if self.index is None else [self.index]
        return [*self.files.values(), *index, *self.weights]


def choose(names: Collection[str], listed: Callable[[], Sequence[str]], place: Place) -> Chosen:
    """The files of a model among `names`, all that lie directly in its folder or repository.

    listed: the names in the safetensors index, asked for only where there is one.
    Raises ModelError, without a place, for a model that is not whole.
    """
    files = {name: name for name in METADATA if name in names}
    licence = next((name for name in LICENCES if name in names), None)
    if licence is not None:
        files["LICENSE"] = licence
    if "tokenizer.json" not in names and (slow := slow_files(names)):
        files |= {name: name for name in (*slow, *SLOW_MORE) if name in names}
    for name, what in NEEDED.items():
        if name not in files and not (name == "tokenizer.json" and slow_files(files)):
            raise _missing(name, what, place)
    if SINGLE in names:
        return Chosen(files, (SINGLE,), None)
    if INDEX not in names:
        raise _no_weights(names, place)
    weights = tuple(listed())
    for name in weights:
        if name not in names:
            raise ModelError(
                f"{INDEX} lists {name}, which is missing",
                hint="Download it."
                if place == "folder"
                else "The repository is not whole: choose another revision.",
            )
    return Chosen(files, weights, INDEX)


def slow_files(names: Collection[str]) -> list[str]:
    """The vocabularies among `names` from which a tokenizer.json can be made."""
    return [name for each in SLOW if all(part in names for part in each) for name in each]


def is_plain(name: object) -> bool:
    """Whether `name` is that of a file directly in a folder, on every system."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and not any(letter in '/\\:*?"<>|' for letter in name)
        and not name.endswith((".", " "))
        and not DEVICE.match(name)
        and bool(name)
    )


def listed_weights(index: Path) -> list[str]:
    """Names of the files that a safetensors index lists; raises ModelError."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        plain = bool(names) and all(is_plain(n) and n.endswith(".safetensors") for n in names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        plain = False
    if not plain:
        raise ModelError(
            'this is not a safetensors index: a JSON object with "weight_map", from tensor names '
            "to names of files beside it, was expected",
            where=index,
        )
    return names


def _missing(name: str, what: str, place: Place) -> ModelError:
    hint = (
        "Save it with `save_pretrained`, or copy it from where the model came from."
        if place == "folder"
        else "Name the repository of the whole model, as transformers loads it."
    )
    return ModelError(f"the model has no {name}, the file that {what}", hint=hint)


def _no_weights(names: Collection[str], place: Place) -> ModelError:
    other = sorted(name for name in names if name.endswith(".safetensors"))
    pickled = sorted(name for name in names if PurePosixPath(name).suffix in PICKLED)
    foreign = sorted({kind for end, kind in FOREIGN.items() for n in names if n.endswith(end)})
    hub = place == "hub"
    if any(name.startswith("adapter_") for name in [*other, *pickled]):
        adapter = next(name for name in [*other, *pickled] if name.startswith("adapter_"))
        problem = f"the model holds an adapter only ({adapter})"
        hint = "Merge it into its base model (`merge_and_unload` of peft) and save that."
    elif other:
        problem = f"the model holds {_some(other)}, but neither {SINGLE} nor {INDEX}"
        hint = (
            "Name a repository that transformers loads as it is."
            if hub
            else f"Rename a single file to {SINGLE}; several need their index."
        )
    elif pickled:
        problem = (
            f"the weights are pickled ({_some(pickled)}): refused, because opening a "
            "pickle runs whatever code it carries"
        )
        hint = (
            "Convert them to safetensors: load the model with transformers where you trust it and "
            "call `model.save_pretrained(folder, safe_serialization=True)`."
        )
        if hub:
            hint += (
                " Many repositories have them converted on a branch of their own: look among the "
                'pull requests on the hub, and write its name as `revision: "refs/pr/1"`.'
            )
    elif foreign and hub:
        problem = f"the model holds {' and '.join(foreign)} weights only"
        hint = "Name the repository they were made from: the original, with safetensors."
    else:
        problem = f"the model has no weights: neither {SINGLE} nor {INDEX}"
        hint = (
            "Name the repository of the whole model, as transformers loads it."
            if hub
            else "Copy the safetensors files beside config.json."
        )
    return ModelError(problem, hint=hint)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
