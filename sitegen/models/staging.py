"""Folders for work under way, each for one build at a time. Standard library only."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sitegen.progress import Progress

CAN_LOCK = importlib.util.find_spec("fcntl") is not None  # not on Windows

ABANDONED_S = 24 * 3600  # age at which a folder belongs to a build that was killed


@contextlib.contextmanager
def staging(parent: Path, key: str | None, say: Progress) -> Iterator[Path]:
    """A folder below `parent`, gone afterwards; see `Cache.staging`. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(old)
    kept = parent / (key or "")
    handle = _lock(kept, say) if key and CAN_LOCK else None
    with _temporary(parent) if handle is None else _kept(kept, handle) as folder:
        yield folder


@contextlib.contextmanager
def _temporary(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _lock(folder: Path, say: Progress) -> int | None:
    """Have a folder for nobody else, whether it is new or was left by an interrupted program: a
    descriptor that holds it until it is closed. None on disks that cannot lock folders (NFS)."""
    import fcntl

    while True:
        try:
            folder.mkdir(exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
        except (FileExistsError, FileNotFoundError):
            # Who held it has just deleted it, and another may have made it again.
            if _is_or_may_be_folder(folder):
                continue
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build that is exporting it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            os.close(handle)
            with contextlib.suppress(OSError):
                folder.rmdir()
            return None
        # Who held it until now has deleted it, unless it was interrupted.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), folder.stat()):
                os.utime(folder)  # see ABANDONED_S
                return handle
        os.close(handle)


def _is_or_may_be_folder(path: Path) -> bool:
    """Asked in one step, because the answer may change between two."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return path.parent.is_dir()


@contextlib.contextmanager
def _kept(folder: Path, handle: int) -> Iterator[Path]:
    """A locked folder, deleted at the end, but not by an interruption."""
    try:
        yield folder
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
