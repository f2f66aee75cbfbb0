"""The files of a hub one by one: appended to as bytes arrive, hashed, and given their names."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sitegen.digests import BLOCK_BYTES, Digests
from sitegen.models.source.lock import Hash, PinnedFile
from sitegen.progress import Amount, Progress

TIMEOUT_S = 20  # without a single byte
READ_BYTES = 1 << 14  # at once: what a cut connection may cost
TOLD_BYTES = 1 << 20  # progress is told once for so many


def append(
    url: str, headers: dict[str, str], file: PinnedFile, part: Path, tell: Callable[[int], None]
) -> str:
    """Add what is missing to `part`; the hash of the whole. Raises what the HTTP client does."""
    with part.open("ab+") as stream:
        done, digest = hash_of(stream, file)
        while done < file.bytes:
            wanted = {**headers, "Range": f"bytes={done}-"} if done else headers
            with opened(url, wanted) as (response, blocks):
                if response.status_code == 416:  # there is nothing after what has arrived
                    return "shorter"
                all_again = done > 0 and response.status_code != 206  # a server without ranges
                if all_again:
                    stream.truncate(0)
                    done, digest = 0, file.hash()
                start = done
                for block in blocks:
                    stream.write(block)
                    digest.update(block)
                    done += len(block)
                    tell(min(done, file.bytes))
                    if done > file.bytes:
                        return "longer"
                if done < file.bytes and (all_again or done == start):
                    return "shorter"
        return digest.hexdigest()


def hash_of(stream: Any, file: PinnedFile) -> tuple[int, Hash]:
    """How much of a file is there, and its hash so far; nothing of what is too long is kept."""
    digest, done = file.hash(), 0
    stream.seek(0)
    while block := stream.read(BLOCK_BYTES):
        digest.update(block)
        done += len(block)
    if done > file.bytes:
        stream.truncate(0)
        return 0, file.hash()
    return done, digest


@contextlib.contextmanager
def opened(url: str, headers: dict[str, str]) -> Iterator[tuple[Any, Iterator[bytes]]]:
    """A response and its blocks, by the client that this huggingface_hub uses."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        get_session,
        hf_raise_for_status,
    )

    def raise_for(response: Any) -> None:
        if response.status_code != 416:
            hf_raise_for_status(response)

    session: Any = get_session()
    if callable(getattr(session, "stream", None)):  # httpx since huggingface_hub 1.0
        with session.stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
            raise_for(response)
            yield response, response.iter_bytes(READ_BYTES)
    else:  # requests
        with session.get(url, headers=headers, timeout=TIMEOUT_S, stream=True) as response:
            raise_for(response)
            yield response, response.iter_content(READ_BYTES)


class Telling:
    """Adds up what has arrived of several files, and tells it once for each `TOLD_BYTES`."""

    def __init__(self, what: str, files: list[PinnedFile], progress: Progress):
        self.say = progress
        self._what = what
        self._total = sum(file.bytes for file in files)
        self._done: dict[str, int] = {}
        self._told = 0

    def __call__(self, file: PinnedFile, done: int) -> None:
        self._done[file.name] = done
        together = sum(self._done.values())
        step = 1 if done == file.bytes else TOLD_BYTES
        if together >= self._told + step:
            self._told = together
            self.say(Amount(self._what, together, self._total))


def part_of(blob: Path) -> Path:
    """Where huggingface_hub 0.x keeps what has arrived of a blob, too."""
    return blob.with_name(f"{blob.name}.incomplete")


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def holds(path: Path, file: PinnedFile, digests: Digests | None) -> bool:
    """Whether the bytes at `path` are those of `file`."""
    try:
        if path.stat().st_size != file.bytes:
            return False
        if digests is not None and file.algorithm == "sha256":
            return digests.of(path) == file.oid
        with path.open("rb") as stream:
            return hash_of(stream, file)[1].hexdigest() == file.oid
    except FileNotFoundError:
        return False


def link(blob: Path, path: Path) -> None:
    """Give a blob its name, as huggingface_hub does: by a link, else by moving it there.

    Whoever reads `path` meanwhile, or gives it the same name, sees a whole file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fresh.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # Windows, unless allowed
        fresh = blob
    fresh.replace(path)
