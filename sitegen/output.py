"""Room 5, output: files into a folder, changing only what changed and only what is ours.

`.sitegen-output.json` in the folder lists the files that sitegen wrote; its presence makes the
folder ours. A write goes in four steps, and up to the third the folder's files are untouched:

    check     every path, the folder, whether another write is at work in it, and whatever
              already lies where a file shall go
    stage     new and changed files, complete, in `.sitegen-staging/` inside the folder
    claim     the list of files names the old and the new ones, so that a crash from here on
              leaves nothing that the next write does not know as ours
    move      staged files into place one by one, then delete ours that are no longer wanted

Knows nothing of sites: paths and bytes only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .errors import OutputError

if sys.platform != "win32":
    import fcntl

STATE = ".sitegen-output.json"
STAGING = ".sitegen-staging"

_BLOCK_BYTES = 1 << 20
# `<sha256>.bin`: the name says what is in it, and need not be read to know that it is unchanged.
_NAMED_BY_CONTENT = re.compile(r"([0-9a-f]{64})\.bin")

Content = bytes | Path


@dataclass(frozen=True)
class WriteReport:
    """What a write did."""

    written: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int
    bytes: int
    """Size of all files together, written or not."""


def write(files: Mapping[str, Content], folder: Path) -> WriteReport:
    """Make `folder` hold `files` (relative POSIX path → bytes, or the file to copy).

    Files that somebody else put there stay. Raises OutputError before anything is changed: for a
    folder that is not ours or that another build writes to, a path that cannot be written, a
    foreign file in the way, a source that cannot be read; later only for a disk that fails, and
    then the next write completes this one.
    """
    _check_paths(files)
    is_new = not os.path.lexists(folder)
    try:
        _check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            return _write(files, folder)
    except BaseException as error:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()  # not empty: part of the site is there, or somebody else's file
        if isinstance(error, OSError):
            raise OutputError(f"the site cannot be written: {error}", where=folder) from error
        raise


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Refuse a second write at the same time; the lock ends with the process, however it ends."""
    if sys.platform == "win32":
        yield  # has no locks of folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks: there nothing is refused.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    "another build is writing to this folder",
                    where=folder,
                    hint="Build again when it has ended: nothing was touched.",
                ) from None
        yield
    finally:
        os.close(handle)


def _write(files: Mapping[str, Content], folder: Path) -> WriteReport:
    owned = _owned(folder)
    _check_in_the_way(files, owned, folder)
    stale = sorted(owned.keys() - files.keys())
    try:
        digests, changed = _stage(files, owned, folder)
        try:
            if changed or stale:
                _write_state(folder, {**owned, **digests, **dict.fromkeys(changed, "")})
                _move(changed, stale, folder)
            if digests != owned or not (folder / STATE).exists():
                _write_state(folder, digests)
        except OSError as error:
            raise OutputError(
                f"the site is written in part only: {error}",
                where=folder,
                hint="Mend that and build again: the next build completes it.",
            ) from error
    finally:
        shutil.rmtree(folder / STAGING, ignore_errors=True)
    return WriteReport(
        written=tuple(changed),
        deleted=tuple(stale),
        unchanged=len(files) - len(changed),
        bytes=sum(_size(content) for content in files.values()),
    )


# -- check -------------------------------------------------------------------------------------


def _check_paths(files: Mapping[str, Content]) -> None:
    seen: dict[str, str] = {}
    for path, content in sorted(files.items()):
        if not _is_inside(path):
            raise OutputError(f'"{path}" is no path inside the output folder')
        other = seen.setdefault(path.lower(), path)
        if other != path:
            raise OutputError(
                f'"{other}" and "{path}" are one file on Windows and macOS',
                hint="Rename one of the two.",
            )
        if isinstance(content, Path) and not content.is_file():
            raise OutputError(f'the source of "{path}" is no file', where=content)
    for path in files:
        for parent in PurePosixPath(path).parents:
            if holder := seen.get(str(parent).lower()):
                raise OutputError(f'"{holder}" is a file, and "{path}" needs a folder of that name')


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return not (
        any(part in ("", ".", "..") for part in parts)
        or re.search(r"[\\\x00-\x1f]", path)
        or parts[0] in (STATE, STAGING)
        or re.match(r"[a-zA-Z]:", path)
    )


def _check_folder(folder: Path) -> None:
    if folder.is_symlink() and not folder.exists():
        raise OutputError("the output folder is a symbolic link to nothing", where=folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            "the output folder is a file", where=folder, hint="Name another folder, or move it."
        )


def _owned(folder: Path) -> dict[str, str]:
    """The files of an earlier write and their digests; "" for one that a crash left in doubt."""
    state = folder / STATE
    if not state.exists():
        # A first write that was cut off leaves its staged files and nothing else.
        if any(entry.name != STAGING for entry in folder.iterdir()):
            raise OutputError(
                "the output folder holds files that sitegen did not write",
                where=folder,
                hint="Name an empty folder, or empty this one yourself: nothing was touched.",
            )
        return {}
    try:
        found = json.loads(state.read_bytes())
        owned = {str(path): str(digest) for path, digest in found["files"].items()}
        if found["version"] != 1:
            raise ValueError(f"version {found['version']}")
        if outside := [path for path in owned if not _is_inside(path)]:
            raise ValueError(outside[0])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"the list of files that sitegen wrote is damaged: {error}",
            where=state,
            hint="Delete the whole output folder and build again.",
        ) from None
    return owned


def _check_in_the_way(files: Mapping[str, Content], owned: Mapping[str, str], folder: Path) -> None:
    """Refuse symbolic links on the way to a file, and foreign files where one shall go."""
    spellings = {path.lower(): path for path in owned}

    def is_ours(path: str) -> bool:
        if path in owned:
            return True
        other = spellings.get(path.lower())
        return other is not None and _is_same_file(folder / other, folder / path)

    checked: set[PurePosixPath] = set()
    for path in sorted({*files, *owned}):
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            if parent not in checked:
                checked.add(parent)
                place = folder / parent
                if place.is_symlink():
                    raise OutputError(
                        "a symbolic link lies where the site needs a folder",
                        where=place,
                        hint="Remove the link: nothing was touched.",
                    )
                if place.is_file() and path in files and not is_ours(str(parent)):
                    raise _foreign(place)
        place = folder / path
        if path not in files:
            continue
        if place.is_dir() and not place.is_symlink():
            for found in _below(place):
                if not is_ours(found.relative_to(folder).as_posix()):
                    raise _foreign(found)
        elif os.path.lexists(place) and not is_ours(path):
            raise _foreign(place)


def _is_same_file(one: Path, other: Path) -> bool:
    """Whether two spellings are one file, as `About` and `about` are on Windows and macOS."""
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except FileNotFoundError:
        return False


def _below(place: Path) -> Iterator[Path]:
    """All files and symbolic links; `os.walk` counts a link to a folder among the folders."""
    for parent, folders, names in os.walk(place):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in (*names, *links))


def _foreign(place: Path) -> OutputError:
    return OutputError(
        "a file that sitegen did not write lies where the site shall go",
        where=place,
        hint="Move it away, or put it into static/ to make it part of the site.",
    )


# -- stage, claim, move ------------------------------------------------------------------------


def _stage(
    files: Mapping[str, Content], owned: Mapping[str, str], folder: Path
) -> tuple[dict[str, str], dict[str, Path]]:
    """Digests of all files, and the staged copy of each that is new or changed."""
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    digests: dict[str, str] = {}
    changed: dict[str, Path] = {}
    for path, content in files.items():
        promised = _promised_digest(path)
        digest = promised or _digest(content)
        if owned.get(path) != digest or not _holds(folder / path, content, promised, digest):
            staging.mkdir(exist_ok=True)
            changed[path] = staging / str(len(changed))
            digest = _copy(content, changed[path])
            if promised and digest != promised:
                raise OutputError(
                    f"this file is damaged: its SHA-256 is {digest}, and not that of its name",
                    where=content if isinstance(content, Path) else path,
                    hint="Delete it and build again.",
                )
        digests[path] = digest
    return digests, changed


def _promised_digest(path: str) -> str | None:
    named = _NAMED_BY_CONTENT.fullmatch(path.rsplit("/", 1)[-1])
    return named[1] if named else None


def _digest(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _holds(place: Path, content: Content, promised: str | None, digest: str) -> bool:
    """Whether the file in place is the one wanted; one named by its content is only sized."""
    if place.is_symlink() or not place.is_file() or place.stat().st_size != _size(content):
        return False
    return promised is not None or _digest(place) == digest


def _copy(content: Content, target: Path) -> str:
    """Copy, never link: hosts refuse links, and a linked file would change with the cache."""
    digest = hashlib.sha256()
    with target.open("xb") as output:
        for block in _blocks(content):
            digest.update(block)
            output.write(block)
    target.chmod(0o644)
    return digest.hexdigest()


def _blocks(content: Content) -> Iterable[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            yield block


def _move(changed: Mapping[str, Path], stale: Iterable[str], folder: Path) -> None:
    folded = {path.lower() for path in changed}
    folders = {str(parent) for path in folded for parent in PurePosixPath(path).parents}
    late = []
    for path in stale:
        # What became a folder, or changed only its capitals, has to go first; the rest goes last,
        # so that pages do not lose their scripts while the new ones come in.
        low = path.lower()
        below = any(str(parent) in folded for parent in PurePosixPath(low).parents)
        if below or low in folders or low in folded:
            _delete(path, folder)
        else:
            late.append(path)
    for path, staged in changed.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            _remove_empty_folders(place)
        os.replace(staged, place)
    for path in late:
        _delete(path, folder)


def _remove_empty_folders(place: Path) -> None:
    for parent, _, _ in os.walk(place, topdown=False):
        os.rmdir(parent)


def _delete(path: str, folder: Path) -> None:
    place = folder / path
    if place.is_dir() and not place.is_symlink():
        return  # somebody replaced our file by a folder of theirs
    try:
        place.unlink(missing_ok=True)
    except NotADirectoryError:
        return  # a cut write had put a file in the place of its folder
    for parent in PurePosixPath(path).parents[:-1]:
        try:
            (folder / parent).rmdir()
        except OSError:
            break  # not empty, or gone already


def _write_state(folder: Path, files: Mapping[str, str]) -> None:
    state = {"version": 1, "files": dict(sorted(files.items()))}
    (folder / STAGING).mkdir(exist_ok=True)
    new = folder / STAGING / STATE
    new.write_text(json.dumps(state, indent=0) + "\n", "utf-8")
    os.replace(new, folder / STATE)


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
