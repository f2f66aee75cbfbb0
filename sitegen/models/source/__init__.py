"""From the name an author writes to the files of a model: which, where, and what they hash to.

Standard library only: a build whose models are cached goes no further than this module, its
neighbours `files`, `lock` and `hub`, and `cache`.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sitegen.config import ModelSpec
from sitegen.digests import Digests
from sitegen.errors import ModelError
from sitegen.models.source import lock
from sitegen.models.source.files import INDEX, Chosen, choose, listed_weights
from sitegen.models.source.hub import Hub
from sitegen.models.source.lock import DEFAULT_REVISION, HUB_ID, REVISION, Pin
from sitegen.progress import Progress, silent

BUILTIN = Path(__file__).parents[2] / "builtin"


@dataclass(frozen=True)
class Source:
    """A model's files, none of them opened yet; those of the hub may not be here yet."""

    id: str
    folder: Path
    files: dict[str, Path]  # METADATA, SLOW, or LICENSE for any licence → path
    weights: dict[str, Path]  # name in the folder → path: safetensors
    index: Path | None
    pin: Pin | None = None  # of a model of the hub

    @property
    def title(self) -> str:
        """A readable name: `./smollm2-chat` → `Smollm2 chat`, `./SmolLM2-Chat` → `SmolLM2 Chat`."""
        words = re.sub(r"[-_\s]+", " ", _last_part(self.id)).strip() or self.id
        return words[0].upper() + words[1:] if words.islower() else words

    @property
    def revision(self) -> str | None:
        """The commit of a model of the hub."""
        return None if self.pin is None else self.pin.commit

    @property
    def hashes(self) -> dict[str, str]:
        """Name → hash that is known without reading the file: those of a pinned commit."""
        return {} if self.pin is None else {file.name: file.oid for file in self.pin.files}


def _of(id: str, folder: Path, chosen: Chosen, pin: Pin | None = None) -> Source:
    return Source(
        id,
        folder,
        {known: folder / name for known, name in chosen.files.items()},
        {name: folder / name for name in chosen.weights},
        folder / chosen.index if chosen.index else None,
        pin,
    )


def _last_part(id: str) -> str:
    return PurePosixPath(id.removeprefix("builtin:").replace("\\", "/")).name


def unreadable(error: OSError) -> ModelError:
    return ModelError(f"cannot be read: {error.strerror}", where=error.filename)


def find(spec: ModelSpec, root: Path, progress: Progress = silent) -> Source:
    """The files of the model that `spec` names, seen from the site's folder `root`.

    A model of the hub that sitegen.lock does not pin yet is looked up and pinned; its weights are
    not downloaded yet. Raises ModelError for a model that is not there, not whole or not readable.
    """
    try:
        folder = _folder(spec.id, root)
        if folder is None:
            return of_pin(_pinned(spec, root, progress))
        return _of_folder(spec, folder)
    except BrokenPipeError:
        raise  # whoever was told of the progress has gone
    except OSError as error:
        raise unreadable(error) from error


def find_here(spec: ModelSpec, root: Path) -> Source | None:
    """As `find`, but None where the hub would have to be asked."""
    wanted = spec.id, spec.revision or DEFAULT_REVISION
    unknown = is_of_hub(spec, root) and wanted not in lock.read(root)
    return None if unknown else find(spec, root)


def is_of_hub(spec: ModelSpec, root: Path) -> bool:
    """Whether `spec` names a model of the hub; raises ModelError where it names nothing."""
    return _folder(spec.id, root) is None


def fetch(
    source: Source, digests: Digests, progress: Progress = silent, *, weights: bool = True
) -> None:
    """Bring the files of a model of the hub here, if they are not; raises ModelError.

    weights: False leaves out what is large.
    """
    if source.pin is None:
        return
    paths = [*source.files.values(), *([source.index] if source.index else [])]
    paths += source.weights.values() if weights else ()
    Hub.of_environment().fetch(source.pin, [path.name for path in paths], progress, digests)
    digests.save()


def _of_folder(spec: ModelSpec, folder: Path) -> Source:
    if spec.revision is not None:
        raise ModelError(
            f"the model {spec.id!r} is a folder and has no revision {spec.revision!r}",
            hint="Remove `revision`.",
        )
    names = {path.name for path in folder.iterdir() if path.is_file()}
    try:
        chosen = choose(names, lambda: listed_weights(folder / INDEX), "folder")
    except ModelError as error:
        raise ModelError(error.problem, where=error.where or folder, hint=error.hint) from None
    return _of(spec.id, folder, chosen)


def of_pin(pin: Pin) -> Source:
    """The files of a pinned commit, whether they are here or not."""
    names = [file.name for file in pin.files]
    weights = [name for name in names if name.endswith(".safetensors")]
    chosen = choose(names, lambda: weights, "hub")
    return _of(pin.id, Hub.of_environment().folder(pin.id, pin.commit), chosen, pin)


def _pinned(spec: ModelSpec, root: Path, progress: Progress) -> Pin:
    """What sitegen.lock says of a model of the hub, else what the hub says now."""
    revision = DEFAULT_REVISION if spec.revision is None else spec.revision
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise ModelError(
            f"{revision!r} cannot be a revision",
            hint="Write a branch, a tag or a commit; without one, `main` is taken.",
        )
    pin = lock.read(root).get((spec.id, revision))
    if pin is None:
        pin = newest(spec.id, revision, progress)
        lock.enter(root, pin)
    return pin


def newest(id: str, revision: str, progress: Progress = silent) -> Pin:
    """What the hub says a revision is now; raises ModelError. The lock is left alone."""
    progress(f"{id}: asking the hub for {revision}")
    return Hub.of_environment().resolve(id, revision)


def _folder(id: str, root: Path) -> Path | None:
    """The folder that an id names; None for a model of the hub."""
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
    if HUB_ID.fullmatch(id) and ".." not in id:
        return None
    raise ModelError(
        f"the model {id!r} is neither a built-in model nor a folder of the site, and no model of "
        "the Hugging Face hub is named so",
        hint=f"Write builtin:NAME, ORG/NAME, or a folder relative to the site: ./{_last_part(id)}.",
    )
