"""The Hugging Face hub: the commit that a name means, and the files of that commit.

`resolve` asks the hub once; `fetch` brings the files into the hub's own cache, where other tools
find them and from where theirs are used:

    <HF_HOME>/hub/models--ORG--NAME/blobs/<hash>             the bytes
    <HF_HOME>/hub/models--ORG--NAME/snapshots/<commit>/...   links to them, by name

(https://huggingface.co/docs/huggingface_hub/guides/manage-cache). huggingface_hub gives the token,
the proxy and the question to the hub. `blobs` reads the bytes: the library's own download starts
again from nothing once the program has ended (2.4; 0.36 resumed), compares sizes and never hashes,
and waits for as long as a server says. Xet is not used, because its downloads are not resumed
either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from sitegen import __version__
from sitegen.digests import Digests
from sitegen.errors import ModelError
from sitegen.models.source.blobs import (
    TIMEOUT_S,
    Telling,
    append,
    holds,
    link,
    opened,
    part_of,
    size_of,
)
from sitegen.models.source.files import INDEX, SINGLE, Chosen, choose, is_plain, listed_weights
from sitegen.models.source.lock import Pin, PinnedFile
from sitegen.models.source.refusals import answer, client_errors, explained
from sitegen.progress import Progress, mib, silent

PUBLIC = "https://huggingface.co"
SILENT_S = 1.0  # that waiting for another program may take before it is said
LONGEST_WAIT_S = 60.0  # that a server may ask for; more is an error that says so
BUSY = (408, 429, 500, 502, 503, 504)  # answers that another try may change
DAMAGED = "what the hub sent is not the file it lists"


@dataclass(frozen=True)
class Hub:
    """One hub, the cache beside it, and how long to go on asking."""

    endpoint: str
    cache: Path
    waits: tuple[float, ...] = (1, 2, 4)  # s before each other try; counted anew when bytes came

    @classmethod
    def of_environment(cls) -> Hub:
        """The hub that HF_ENDPOINT names, and the cache that HF_HUB_CACHE or HF_HOME does."""
        return cls((os.environ.get("HF_ENDPOINT") or PUBLIC).strip().rstrip("/"), cache_folder())

    # -- which commit --------------------------------------------------------------------------

    def resolve(self, id: str, revision: str) -> Pin:
        """The commit that `revision` of `id` is now, and the files of it that an export needs.

        Raises ModelError when there is none, it may not be read, or it is no whole model.
        """
        info = self._ask(id, revision)
        listed = {file.rfilename: file for file in info.siblings or () if is_plain(file.rfilename)}

        def pinned(name: str) -> PinnedFile:
            file = listed[name]
            return PinnedFile(name, file.size, file.lfs.sha256 if file.lfs else file.blob_id)

        try:
            weights: list[str] = []
            if INDEX in listed and SINGLE not in listed:
                bare = Pin(id, revision, info.sha, (pinned(INDEX),))
                weights = listed_weights(self.fetch(bare, [INDEX])[INDEX])
            chosen = _chosen(id, listed, weights)
            return Pin(id, revision, info.sha, tuple(pinned(n) for n in sorted(set(chosen.names))))
        except ValueError as error:
            raise self._lies(id, error) from None

    def _ask(self, id: str, revision: str) -> Any:
        """The hub's description of a repository: `sha`, and `siblings` with sizes and hashes."""
        require_online(id)
        from huggingface_hub import HfApi

        api = HfApi(self.endpoint, library_name="sitegen", library_version=__version__)

        def ask() -> Any:
            try:
                return api.model_info(id, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
            except JSONDecodeError:  # the page of a network that wants a login first, say
                raise self._lies(id, "it is not JSON") from None
            except client_errors():
                raise
            except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
                raise self._lies(id, error) from None

        return self._patiently(ask, (id, revision))

    def _lies(self, id: str, reason: object) -> ModelError:
        return ModelError(
            f"{self.endpoint} describes {id} in a way that cannot be right: "
            + (f"it has no {reason}" if isinstance(reason, KeyError) else str(reason)),
            hint="Does HF_ENDPOINT name a hub?"
            if self.endpoint != PUBLIC
            else "Does your network ask for a login first?",
        )

    # -- its files -----------------------------------------------------------------------------

    def folder(self, id: str, commit: str) -> Path:
        """Where the files of a commit lie, by their names, once they are there."""
        return self._repository(id) / "snapshots" / commit

    def _repository(self, id: str) -> Path:
        return self.cache / f"models--{id.replace('/', '--')}"

    def fetch(
        self,
        pin: Pin,
        names: Iterable[str],
        progress: Progress = silent,
        digests: Digests | None = None,
    ) -> dict[str, Path]:
        """The files `names` of a pin, downloaded where the cache does not hold them whole.

        digests: remembers which files were hashed before. Returns name → path. Raises ModelError
        when a file cannot be had.
        """
        by_name = {file.name: file for file in pin.files}
        files = [by_name[name] for name in names]
        paths = {file.name: self.folder(pin.id, pin.commit) / file.name for file in files}
        try:
            missing = [file for file in files if not holds(paths[file.name], file, digests)]
            if not missing:
                return paths
            require_online(pin.id)
            what = missing[0].name if len(missing) == 1 else f"{len(missing)} files"
            tell = Telling(f"{pin.id}: downloading {what}", missing, progress)
            self._require_space(pin, missing)
            for file in missing:
                blob = self._download(pin, file, digests, tell)
                link(blob, paths[file.name])
        except BrokenPipeError:
            raise  # whoever was told of the progress has gone
        except OSError as error:
            raise self._unwritable(error) from error
        return paths

    def beginning(self, pin: Pin, name: str, count: int) -> bytes:
        """The first `count` bytes of a file that is not downloaded; raises ModelError."""
        require_online(pin.id)
        url, headers = self._request(pin, name)

        def read() -> bytes:
            found = b""
            with opened(url, {**headers, "Range": f"bytes=0-{count - 1}"}) as (_, blocks):
                for block in blocks:
                    found += block
                    if len(found) >= count:  # a server that knows no ranges
                        break
            return found[:count]

        return bytes(self._patiently(read, (pin.id, pin.commit, name)))

    def _require_space(self, pin: Pin, missing: list[PinnedFile]) -> None:
        blobs = self._repository(pin.id) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        needed = sum(
            max(0, file.bytes - size_of(part_of(blobs / file.oid)))
            for file in missing
            if size_of(blobs / file.oid) != file.bytes
        )
        free = shutil.disk_usage(blobs).free
        if needed > free:
            raise ModelError(
                f"{pin.id} needs {mib(needed)} MiB in the cache of the hub, where {mib(free)} MiB "
                "are free",
                where=self.cache,
                hint="Free some space, or let HF_HOME name a folder on another disk.",
            )

    def _download(self, pin: Pin, file: PinnedFile, digests: Digests | None, tell: Telling) -> Path:
        """One file, checked; what is there of it is kept when this fails. Raises ModelError."""
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        blob = self._repository(pin.id) / "blobs" / file.oid
        lock = self.cache / ".locks" / self._repository(pin.id).name / f"{file.oid}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(blob)
        with contextlib.ExitStack() as held:  # other tools that download this file hold it, too
            try:
                held.enter_context(WeakFileLock(lock, timeout=SILENT_S))
            except TimeoutError:
                tell.say(f"{pin.id}: waiting for another program that is downloading {file.name}")
                held.enter_context(WeakFileLock(lock))
            if not holds(blob, file, digests):
                fresh = size_of(part) == 0
                if not self._complete(pin, file, part, tell):
                    # What an earlier, cut download left may have been damaged: once from nothing.
                    if fresh or not self._complete(pin, file, part, tell):
                        raise ModelError(
                            f"{pin.id}: {file.name}: {DAMAGED}, of {file.bytes} bytes and "
                            f"{file.algorithm} {file.oid}",
                            hint="Try again later, or on another network: a proxy may have "
                            "changed it.",
                        )
                part.replace(blob)
                if digests is not None and file.algorithm == "sha256":
                    digests.remember(blob, file.oid)
            tell(file, file.bytes)
        return blob

    def _complete(self, pin: Pin, file: PinnedFile, part: Path, tell: Telling) -> bool:
        """Bring `part` to the length of the file; False, and no `part`, when its hash is wrong."""
        url, headers = self._request(pin, file.name)

        def attempt() -> str:
            return append(url, headers, file, part, lambda done: tell(file, done))

        oid = self._patiently(attempt, (pin.id, pin.commit, file.name), lambda: size_of(part))
        if oid == file.oid:
            return True
        part.unlink(missing_ok=True)
        return False

    def _request(self, pin: Pin, name: str) -> tuple[str, dict[str, str]]:
        """The address of a file, and the headers to ask for it with: the token's among them."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        headers = build_hf_headers(library_name="sitegen", library_version=__version__)
        # Compressed bytes could not be counted, nor resumed.
        headers["Accept-Encoding"] = "identity"
        return hf_hub_url(pin.id, name, revision=pin.commit, endpoint=self.endpoint), headers

    def _unwritable(self, error: OSError) -> ModelError:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        return ModelError(
            "the disk is full" if full else f"the cache of the hub cannot be used: {error}",
            where=self.cache,
            hint="Free some space, or let HF_HOME name a folder on another disk; what has arrived "
            "is kept."
            if full
            else "Let HF_HOME name a folder that can be written.",
        )

    # -- trying again --------------------------------------------------------------------------

    def _patiently(
        self,
        attempt: Callable[[], Any],
        asked: tuple[str, ...],
        received: Callable[[], int] = lambda: 0,
    ) -> Any:
        """What `attempt` returns, tried again where that may help.

        asked: id, revision and perhaps file, for the error; received: bytes so far: while they
        grow, no patience is lost. Raises ModelError.
        """
        waits, before = list(self.waits), received()
        while True:
            try:
                return attempt()
            except client_errors() as error:
                status, after = answer(error)
                if received() > before:
                    waits, before = list(self.waits), received()
                wait = max(waits.pop(0), after) if waits else None
                if (status and status not in BUSY) or wait is None or wait > LONGEST_WAIT_S:
                    raise explained(error, self.endpoint, asked) from None
            time.sleep(wait)


def _chosen(id: str, names: Collection[str], weights: list[str]) -> Chosen:
    try:
        return choose(names, lambda: weights, "hub")
    except ModelError as error:
        raise ModelError(f"{id}: {error.problem}", hint=error.hint) from None


def cache_folder() -> Path:
    """Where huggingface_hub keeps its files, by the same variables, without importing it."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("HF_HOME") or os.path.join(home, "huggingface")
    cache = os.environ.get("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    cache = os.environ.get("HF_HUB_CACHE") or cache
    return Path(os.path.expandvars(os.path.expanduser(cache)))


def require_online(id: str) -> None:
    """Raises ModelError where the environment forbids to ask the hub."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE"):
            raise ModelError(
                f"{id} is not in the cache, and {name} forbids to ask the hub for it",
                hint=f"Build once without {name}; from then on the cache is enough.",
            )
