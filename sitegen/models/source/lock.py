"""sitegen.lock: the commit that each model of the Hugging Face hub is pinned to.

The file stands beside sitegen.toml and belongs under version control. One entry for each model and
revision that pages ask for: the commit it meant when it was first built, and the files that are
taken from it, each with its size and the hash by which the hub knows it. So a later build asks the
hub nothing, gets the same bytes on every machine, and can tell.

Standard library and `sitegen.toml` only: every build with a hub model comes through here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sitegen import toml
from sitegen.digests import write_atomically
from sitegen.errors import ModelError
from sitegen.models.source.files import is_plain

FILE_NAME = "sitegen.lock"
VERSION = 1
DEFAULT_REVISION = "main"
HEAD = """\
# Written by sitegen: models of the Hugging Face hub, each pinned to one commit.
# Keep this file under version control. `sitegen models update` moves the pins.
"""
RESTORE = (
    "Restore the file from version control; or delete it, and the next build pins what is newest."
)

# As `validate_repo_id` of huggingface_hub has it, and always with an organization.
HUB_ID = re.compile(
    r"(?!.*(?:--|\.\.|\.git$))[A-Za-z0-9](?:[\w.-]*\w)?/[A-Za-z0-9](?:[\w.-]{0,94}\w)?", re.ASCII
)
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"[\w.][\w./+@-]*", re.ASCII)


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True)
class PinnedFile:
    """One file of a commit; raises ValueError for what the hub cannot have meant."""

    name: str
    bytes: int
    oid: str
    """64 hex digits: SHA-256 of the bytes (Git LFS); 40: SHA-1 as git names a blob."""

    def __post_init__(self) -> None:
        if not is_plain(self.name):
            raise ValueError(f"{self.name!r} is not the name of a file beside config.json")
        if type(self.bytes) is not int or self.bytes < 0:
            raise ValueError(f"the size of {self.name} is {self.bytes!r}")
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", str(self.oid)):
            raise ValueError(f"the hash of {self.name} is {self.oid!r}")

    @property
    def algorithm(self) -> str:
        return "sha256" if len(self.oid) == 64 else "sha1"

    def hash(self) -> Hash:
        """To be fed with all bytes of the file; then `hexdigest` must be `oid`."""
        if self.algorithm == "sha256":
            return hashlib.sha256()
        # https://git-scm.com/book/en/v2/Git-Internals-Git-Objects: a header, then the content.
        return hashlib.sha1(f"blob {self.bytes}\0".encode(), usedforsecurity=False)


@dataclass(frozen=True)
class Pin:
    """What `id` at `revision` meant; raises ValueError for what the hub cannot have meant."""

    id: str
    revision: str
    commit: str
    files: tuple[PinnedFile, ...]
    """In the order of their names."""

    def __post_init__(self) -> None:
        for value, pattern in (
            (self.id, HUB_ID),
            (self.revision, REVISION),
            (self.commit, COMMIT),
        ):
            if not isinstance(value, str) or not pattern.fullmatch(value) or ".." in value:
                raise ValueError(f"{value!r} is not what was expected")
        names = [file.name for file in self.files]
        if names != sorted(set(names)):
            raise ValueError("its files are not in order, or one is named twice")

    @property
    def key(self) -> tuple[str, str]:
        return self.id, self.revision


Pins = Mapping[tuple[str, str], Pin]
"""By id and revision."""


def read(root: Path) -> dict[tuple[str, str], Pin]:
    """The pins of the site in `root`, none where there is no lock.

    Raises ModelError for a file that sitegen did not write so.
    """
    try:
        file = toml.read(root / FILE_NAME, ModelError)
    except ModelError as error:
        raise ModelError(error.problem, where=error.where, hint=RESTORE) from None
    if not file.text:
        return {}
    version = file.data.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ModelError(
            f"was written by a newer sitegen: version {version}, this one knows {VERSION}",
            where=file.where(("version",)),
            hint="Use that sitegen; `sitegen --version` says which one this is.",
        )
    if version != VERSION or file.data.keys() - {"version", "model"}:
        raise ModelError("is not a lock file of sitegen", where=file.path, hint=RESTORE)
    entries = file.data.get("model", [])
    pins = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [None], 1):
        try:
            pin = _pin(entry)
            if pin.key in pins:
                raise ValueError(f"{pin.id} at {pin.revision} is there twice")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise ModelError(
                f"entry {number} is damaged: {reason}", where=file.path, hint=RESTORE
            ) from None
        pins[pin.key] = pin
    return pins


def write(root: Path, pins: Pins) -> bool:
    """Make the lock hold `pins`; False when it did already, and the file was not touched.

    Raises ModelError when it cannot be written.
    """
    path = root / FILE_NAME
    text = _text(pins)
    try:
        if not pins:
            existed = path.exists()
            path.unlink(missing_ok=True)
            return existed
        if path.exists() and read(root) == dict(pins):
            return False
        write_atomically(path, text.encode())
    except OSError as error:
        raise ModelError(f"cannot be written: {error.strerror}", where=path) from error
    return True


@contextlib.contextmanager
def changing(root: Path) -> Iterator[dict[tuple[str, str], Pin]]:
    """The pins as they are now, written when the block ends without an error; raises ModelError.

    Two builds of one site change them one after the other, except on Windows and on disks that
    cannot lock.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            folder = os.open(root, os.O_RDONLY)
            held.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_EX)
        pins = read(root)
        yield pins
        write(root, pins)


def enter(root: Path, pin: Pin) -> None:
    """Put one pin among those that the lock holds now; raises ModelError."""
    with changing(root) as pins:
        pins[pin.key] = pin


def _pin(entry: Any) -> Pin:
    files = [
        PinnedFile(each["name"], each["bytes"], each.get("sha256") or each["sha1"])
        for each in entry["files"]
    ]
    return Pin(entry["id"], entry["revision"], entry["commit"], tuple(files))


def _text(pins: Pins) -> str:
    parts = [HEAD, f"\nversion = {VERSION}\n"]
    for _, pin in sorted(pins.items()):
        parts.append("\n[[model]]\n")
        for key in ("id", "revision", "commit"):
            parts.append(f"{key} = {json.dumps(getattr(pin, key))}\n")
        parts.append("files = [\n")
        for file in pin.files:
            name = json.dumps(file.name, ensure_ascii=False)
            parts.append(
                f'  {{ name = {name}, bytes = {file.bytes}, {file.algorithm} = "{file.oid}" }},\n'
            )
        parts.append("]\n")
    return "".join(parts)
