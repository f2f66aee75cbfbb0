"""From the name an author writes to the files of a model: which, where, and what they hash to.

Standard library only: a build whose models are cached goes no further than this module and `cache`.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sitegen.config import ModelSpec
from sitegen.errors import ModelError

BUILTIN = Path(__file__).parent.parent / "builtin"
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
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
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Source:
    """A model's files, none of them opened yet."""

    id: str
    folder: Path
    files: dict[str, Path]  # name in the folder → path: METADATA and the licence
    weights: dict[str, Path]  # name in the folder → path: safetensors
    index: Path | None

    @property
    def title(self) -> str:
        """A readable name: `./smollm2-chat` → `Smollm2 chat`, `./SmolLM2-Chat` → `SmolLM2 Chat`."""
        words = re.sub(r"[-_\s]+", " ", _last_part(self.id)).strip() or self.id
        return words[0].upper() + words[1:] if words.islower() else words


def _last_part(id: str) -> str:
    return PurePosixPath(id.removeprefix("builtin:").replace("\\", "/")).name


def unreadable(error: OSError) -> ModelError:
    return ModelError(f"cannot be read: {error.strerror}", where=error.filename)


def find(spec: ModelSpec, root: Path) -> Source:
    """The files of the model that `spec` names, seen from the site's folder `root`.

    Raises ModelError for a model that is not there, not whole, or not readable.
    """
    try:
        return _find(spec, root)
    except OSError as error:
        raise unreadable(error) from error


def _find(spec: ModelSpec, root: Path) -> Source:
    folder = _folder(spec.id, root)
    if spec.revision is not None:
        raise ModelError(
            f"the model {spec.id!r} is a folder and has no revision {spec.revision!r}",
            hint="Remove `revision`.",
        )
    files = {name: folder / name for name in METADATA if (folder / name).is_file()}
    licence = next((name for name in LICENCES if (folder / name).is_file()), None)
    if licence is not None:
        files["LICENSE"] = folder / licence
    for name, what in (
        ("config.json", "says which architecture the weights belong to"),
        ("tokenizer.json", "turns text into tokens"),
    ):
        if name not in files:
            raise ModelError(
                f"the model has no {name}, the file that {what}",
                where=folder,
                hint="Save it with `save_pretrained`, or copy it from where the model came from"
                + (
                    "; a tokenizer.model alone is not enough, the fast tokenizer is needed."
                    if name == "tokenizer.json"
                    else "."
                ),
            )
    weights, index = _weights(folder)
    return Source(spec.id, folder, files, weights, index)


def _folder(id: str, root: Path) -> Path:
    if id.startswith("builtin:"):
        name = id.removeprefix("builtin:")
        known = sorted(p.name for p in BUILTIN.iterdir() if p.is_dir()) if BUILTIN.is_dir() else []
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ModelError(
                f"there is no built-in model {name!r}"
                + (f"; did you mean builtin:{near[0]}?" if near else ""),
                hint="Known: " + ", ".join(f"builtin:{n}" for n in known) + ".",
            )
        return BUILTIN / name
    if os.path.isabs(id) or id.startswith("~"):
        raise ModelError(
            f"the model {id!r} is an absolute path, which would be published with the site",
            hint="Write the folder relative to the site: ./my-model or ../models/my-model.",
        )
    folder = Path(os.path.normpath(root / id))
    if folder.is_dir():
        return folder
    if id.startswith((".", "/")) or id.count("/") > 1:
        raise ModelError(f"the model folder {id!r} does not exist", where=folder)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", id):
        raise ModelError(
            f"{id!r} names a model of the Hugging Face hub; this version reads local folders only",
            hint=f"Download it (`hf download {id} --local-dir {_last_part(id)}`) and write "
            f"`model: ./{_last_part(id)}`. Hub models come with a later version.",
        )
    raise ModelError(
        f"the model {id!r} is neither a built-in model nor a folder of the site",
        hint=f"Write builtin:NAME, or a folder relative to the site such as ./{_last_part(id)}.",
    )


def _weights(folder: Path) -> tuple[dict[str, Path], Path | None]:
    if (folder / SINGLE).is_file():
        return {SINGLE: folder / SINGLE}, None
    index = folder / INDEX
    if index.is_file():
        files = {name: folder / name for name in _files_of(index)}
        for name, path in files.items():
            if not path.is_file():
                raise ModelError(
                    f"the index lists {name}, which is missing", where=index, hint="Download it."
                )
        return files, index
    other = sorted(p.name for p in folder.glob("*.safetensors"))
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLED)
    if any(name.startswith("adapter_") for name in other):
        problem = f"the model holds an adapter only ({other[0]})"
        hint = "Merge it into its base model (`merge_and_unload` of peft) and save that."
    elif other:
        problem = f"the model holds {', '.join(other)}, but neither {SINGLE} nor {INDEX}"
        hint = f"Rename a single file to {SINGLE}; several need their index."
    elif pickled:
        problem = (
            f"the weights are pickled ({', '.join(pickled[:3])}): refused, because opening a "
            "pickle runs whatever code it carries"
        )
        hint = (
            "Convert them to safetensors: load the model with transformers where you trust it and "
            "call `model.save_pretrained(folder, safe_serialization=True)`."
        )
    else:
        problem = f"the model has no weights: neither {SINGLE} nor {INDEX}"
        hint = "Copy the safetensors files beside config.json."
    raise ModelError(problem, where=folder, hint=hint)


def _files_of(index: Path) -> list[str]:
    """Names of the files an index lists."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        plain = bool(names) and all(Path(n).name == n and "\\" not in n for n in names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        plain = False
    if not plain:
        raise ModelError(
            'this is not a safetensors index: a JSON object with "weight_map", from tensor names '
            "to names of files beside it, was expected",
            where=index,
        )
    return names
