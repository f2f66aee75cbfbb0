"""SHA-256 of files, remembered between builds.

A site's browser packages weigh 58 MB; reading them on every build would cost more than the rest of
it. A digest is believed for as long as the file's size and times stay the same, as git does it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from pathlib import Path

BLOCK_BYTES = 1 << 20
SETTLED_NS = 2 * 10**9
"""A file changed more recently than this may change again without its times showing it: a tick of
the clock is 2 s on FAT and up to 10 ms on most Linux systems."""


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as 64 hex digits, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the place and rename: a reader sees the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by `tempfile`, whose files only their owner may read.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with fresh.open("xb") as stream:
            stream.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


class Digests:
    """Digests by path, kept in one JSON file: {path: [size, mtime_ns, ctime_ns, sha256]}."""

    def __init__(self, memo: Path) -> None:
        self._memo = memo
        self._known: dict[str, list[object]] = {}
        self._changed = False
        try:
            known = json.loads(memo.read_bytes())
        except (OSError, ValueError, RecursionError):
            return  # nothing remembered yet, or damaged: everything is read once more
        if isinstance(known, dict):
            self._known = known

    def of(self, path: Path) -> str:
        """The file's SHA-256, read only when its size or times changed. Raises OSError."""
        known = self.remembered(path)
        if known is not None:
            return known
        stamp, now = _stamp(path), time.time_ns()
        sha256 = sha256_of(path)
        if stamp[1] < now - SETTLED_NS:
            self._known[str(path.resolve())] = [*stamp, sha256]
            self._changed = True
        return sha256

    def remembered(self, path: Path) -> str | None:
        """The file's SHA-256 if it need not be read for it. Raises OSError."""
        entry = self._known.get(str(path.resolve()))
        if isinstance(entry, list) and entry[:3] == _stamp(path) and len(entry) == 4:
            return str(entry[3])
        return None

    def remember(self, path: Path, sha256: str) -> None:
        """Take over the SHA-256 of a file that was hashed while it was written, and is finished."""
        self._known[str(path.resolve())] = [*_stamp(path), sha256]
        self._changed = True

    def save(self) -> None:
        """Remember for the next build; forgets files that are gone."""
        if self._changed:
            kept = {path: entry for path, entry in self._known.items() if os.path.exists(path)}
            # A cache that cannot be written costs the next build time, nothing else.
            with contextlib.suppress(OSError):
                write_atomically(self._memo, json.dumps(kept, indent=0).encode())
            self._changed = False
