"""Exported models on disk, found again by what they were made from.

    <cache>/models/<key>.json       manifest and file sizes of one export
    <cache>/files/<sha256>.bin      graphs, shards, tokenizers: named by content, shared by models
    <cache>/digests.json            SHA-256 of source files, remembered between builds
    <cache>/staging/<key>/          an export under way, or interrupted
    <cache>/lock                    held by who reads, and alone by who deletes

Builds wait for each other only where they make the same export. Files enter by a rename under the
hash of their content, so whatever else two builds write at once are the same bytes, and either may
win. Who deletes files must be alone (`reading`, `alone`). Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
import shutil
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen.config import ModelSpec
from sitegen.digests import Digests, write_atomically
from sitegen.errors import ModelError
from sitegen.models.samples import NO_SAMPLES, Samples
from sitegen.models.source import Source, unreadable
from sitegen.models.staging import CAN_LOCK, staging
from sitegen.progress import Progress, silent


@dataclass(frozen=True)
class Model:
    """An exported model: its manifest, and where each file that it names lies."""

    manifest: Mapping[str, Any]
    files: Mapping[str, Path]  # SHA-256 → path


class Cache:
    def __init__(self, folder: Path):
        self.folder = folder
        self.files = folder / "files"

    def digests(self) -> Digests:
        """What is remembered of source files that were hashed before."""
        return Digests(self.folder / "digests.json")

    def key(self, source: Source, spec: ModelSpec, samples: Samples = NO_SAMPLES) -> str:
        """SHA-256 of what an export is made from: source bytes, spec, this package's own sources,
        and what of the author's own text decides about it.

        Files of a pinned commit count by the hashes that the hub gave: they need not be here.
        Raises ModelError for a file that cannot be read.
        """
        paths = {**source.files, **source.weights}
        if source.index is not None:
            paths[source.index.name] = source.index
        hashes = {n: source.hashes[p.name] for n, p in paths.items() if p.name in source.hashes}
        digests = self.digests()
        try:
            unknown = {name: path for name, path in paths.items() if name not in hashes}
            if any(digests.remembered(unknown[n]) is None for n in source.weights if n in unknown):
                _import_exporter()
            hashes |= {name: digests.of(path) for name, path in unknown.items()}
        except OSError as error:
            raise unreadable(error) from error
        digests.save()
        parts = {
            "files": hashes,
            "revision": source.revision,
            "spec": spec.model_dump(),
            "exporter": exporter(),
            **samples.digests(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def entry(self, key: str) -> dict[str, Any] | None:
        """What was stored with an export, its "manifest", "files" (SHA-256 → bytes) and
        "packages" (name → version) among it; None when it is gone or damaged."""
        try:
            entry = json.loads(self._entry(key).read_text(encoding="utf-8"))
            whole = all(isinstance(entry[key], dict) for key in ("manifest", "files", "packages"))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return entry if whole else None

    def load(self, key: str) -> Model | None:
        """An earlier export; None when there is none, or a file of it is gone or cut short, or a
        package that it was made with has another version now.

        It counts as used now.
        """
        entry = self.entry(key)
        if entry is None or any(map(_changed, entry["packages"].items())):
            return None
        files = {sha256: self.path(sha256) for sha256 in entry["files"]}
        try:
            if any(files[s].stat().st_size != size for s, size in entry["files"].items()):
                return None
        except OSError:
            return None
        with contextlib.suppress(OSError):  # a cache that may only be read
            os.utime(self._entry(key))
        return Model(entry["manifest"], files)

    @contextlib.contextmanager
    def staging(self, key: str | None = None, say: Progress = silent) -> Iterator[Path]:
        """A folder for work under way, gone afterwards.

        key: of an export. Its folder stays when the program is interrupted or killed, for the next
        build to go on with, and builds of one key wait for each other, which `say` is told.
        Raises ModelError when the disk is full, the cache cannot be written, or a source file
        cannot be read.
        """
        try:
            with staging(self.folder / "staging", key, say) as folder:
                yield folder
        except BrokenPipeError:
            raise  # whoever was told of the progress has gone
        except OSError as error:
            if error.filename is None or self._owns(error.filename):
                raise self._unwritable(error) from error
            raise unreadable(error) from error

    def _owns(self, filename: object) -> bool:
        return Path(str(filename)).absolute().is_relative_to(self.folder.absolute())

    def store(
        self,
        key: str,
        manifest: Mapping[str, Any],
        staged: Iterable[Path],
        packages: Mapping[str, str],
        vocabulary: Mapping[str, Any] | None = None,
    ) -> Model:
        """Move an export's files (`<sha256>.bin`) out of staging, then enter it under its key.

        packages: what it was made with besides sitegen, by version; see `load`; vocabulary: what
        pruning it came to, for reports.
        """
        self.files.mkdir(parents=True, exist_ok=True)
        sizes = {}
        for path in staged:
            sizes[path.stem] = path.stat().st_size
            path.replace(self.path(path.stem))
        entry = {
            "manifest": manifest,
            "files": sizes,
            "packages": dict(packages),
            "vocabulary": vocabulary,
        }
        write_atomically(self._entry(key), json.dumps(entry).encode())
        return Model(manifest, {sha256: self.path(sha256) for sha256 in sizes})

    def path(self, sha256: str) -> Path:
        """Where the file of this content lies."""
        return self.files / f"{sha256}.bin"

    def _entry(self, key: str) -> Path:
        return self.folder / "models" / f"{key}.json"

    def keys(self) -> list[str]:
        """The keys of all exports, whole or not."""
        return sorted(path.stem for path in (self.folder / "models").glob("*.json"))

    def last_used(self, key: str) -> float:
        """When an export was stored or last loaded, in seconds since 1970; 0 when it is gone."""
        try:
            return self._entry(key).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self, keys: Collection[str], *, pretend: bool = False) -> int:
        """Delete exports, the files that no other export needs, and what killed builds left.

        Only under `alone`. pretend: delete nothing. Returns the bytes that are free afterwards.
        Raises ModelError for what cannot be deleted.
        """
        needed: set[str] = set()
        for key in set(self.keys()) - set(keys):
            entry = self.entry(key)
            needed.update(entry["files"] if entry else ())
        freed = 0
        try:
            for key in [] if pretend else keys:
                self._entry(key).unlink(missing_ok=True)
            unneeded = [path for path in self.files.glob("*") if path.stem not in needed]
            for path in [*unneeded, *(self.folder / "staging").glob("*")]:
                inside = path.rglob("*") if path.is_dir() else [path]
                freed += sum(each.stat().st_size for each in inside if each.is_file())
                if not pretend:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        return freed

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """While this holds, no file that was loaded or stored is deleted: for whole builds."""
        with self._held(alone=False):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While this holds, no build reads the cache. Raises ModelError at once when one does."""
        with self._held(alone=True):
            yield

    @contextlib.contextmanager
    def _held(self, alone: bool) -> Iterator[None]:
        """A lock of the system, which ends with the program, whatever ends that.

        Windows knows none that can be shared; there, and on disks that cannot lock, a build whose
        files are deleted fails, and building again makes them again.
        """
        if not CAN_LOCK:
            yield
            return
        import fcntl

        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # a cache that may only be read: nobody deletes
                self.folder.mkdir(parents=True, exist_ok=True)
                file = held.enter_context((self.folder / "lock").open("a+b"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
                except BlockingIOError:
                    raise ModelError(
                        "a build is using the cache",
                        where=self.folder,
                        hint="Wait until it has ended, then try again.",
                    ) from None
            yield

    def _unwritable(self, error: OSError) -> ModelError:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        return ModelError(
            "the disk is full" if full else f"the cache cannot be used: {error}",
            where=self.folder,
            hint="Free some space (an export needs about twice the published model), or "
            "let SITEGEN_CACHE name a folder on another disk."
            if full
            else "Let SITEGEN_CACHE name a folder that can be written.",
        )


def _changed(package: tuple[str, str]) -> bool:
    """Whether a package is installed in another version; where it is gone, the export stays."""
    name, version = package
    try:
        return importlib.metadata.version(name) != version
    except importlib.metadata.PackageNotFoundError:
        return False


def _import_exporter() -> None:
    """Import in a thread what an export needs: it takes as long as hashing weights never seen."""

    def run() -> None:
        # An ImportError is raised again where the export starts; a RuntimeError says that the
        # program ends already, because the model was in the cache under another modification time.
        with contextlib.suppress(ImportError, RuntimeError):
            importlib.import_module("sitegen.models.export")

    threading.Thread(target=run).start()


@functools.cache
def exporter() -> str:
    """SHA-256 of this package's own sources: another exporter makes other exports."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*package.rglob("*.py"), *package.glob("*.json")]):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
