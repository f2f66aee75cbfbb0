"""The Hugging Face hub: the commit that a name means, and the files of that commit.

`resolve` asks the hub once; `fetch` brings the files into the hub's own cache, where other tools
find them and from where theirs are used:

    <HF_HOME>/hub/models--ORG--NAME/blobs/<hash>             the bytes
    <HF_HOME>/hub/models--ORG--NAME/snapshots/<commit>/...   links to them, by name

(https://huggingface.co/docs/huggingface_hub/guides/manage-cache). huggingface_hub gives the token,
the proxy and the question to the hub. The bytes are read here: its own download starts again from
nothing once the program has ended (2.4; 0.36 resumed), compares sizes and never hashes, and waits
for as long as a server says. Xet is not used, because its downloads are not resumed either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen import __version__
from sitegen.digests import BLOCK_BYTES, Digests
from sitegen.errors import ModelError
from sitegen.models.files import INDEX, SINGLE, Chosen, choose, is_plain, listed_weights
from sitegen.models.lock import Hash, Pin, PinnedFile
from sitegen.models.refusals import answer, client_errors, explained
from sitegen.progress import Amount, Progress, mib, silent

PUBLIC = "https://huggingface.co"
TIMEOUT_S = 20  # without a single byte
LONGEST_WAIT_S = 60.0  # that a server may ask for; more is an error that says so
READ_BYTES = 1 << 14  # at once: what a cut connection may cost
TOLD_BYTES = 1 << 20  # progress is told once for so many
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
        return cls((os.environ.get("HF_ENDPOINT") or PUBLIC).rstrip("/"), cache_folder())

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
            raise ModelError(
                f"{self.endpoint} describes {id} in a way that cannot be right: {error}",
                hint="Does HF_ENDPOINT name a hub?" if self.endpoint != PUBLIC else None,
            ) from None

    def _ask(self, id: str, revision: str) -> Any:
        """The hub's description of a repository: `sha`, and `siblings` with sizes and hashes."""
        require_online(id)
        from huggingface_hub import HfApi

        api = HfApi(self.endpoint, library_name="sitegen", library_version=__version__)
        return self._patiently(
            lambda: api.model_info(id, revision=revision, files_metadata=True, timeout=TIMEOUT_S),
            (id, revision),
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
            missing = [file for file in files if not _holds(paths[file.name], file, digests)]
            if not missing:
                return paths
            require_online(pin.id)
            what = missing[0].name if len(missing) == 1 else f"{len(missing)} files"
            tell = _Telling(f"{pin.id}: downloading {what}", missing, progress)
            self._require_space(pin, missing)
            for file in missing:
                blob = self._download(pin, file, digests, tell)
                _link(blob, paths[file.name])
        except OSError as error:
            raise self._unwritable(error) from error
        return paths

    def beginning(self, pin: Pin, name: str, count: int) -> bytes:
        """The first `count` bytes of a file that is not downloaded; raises ModelError."""
        require_online(pin.id)
        url, headers = self._request(pin, name)

        def read() -> bytes:
            found = b""
            with _opened(url, {**headers, "Range": f"bytes=0-{count - 1}"}) as (_, blocks):
                for block in blocks:
                    found += block
                    if len(found) >= count:  # a server that knows no ranges
                        break
            return found[:count]

        return bytes(self._patiently(read, (pin.id, pin.commit, name)))

    def _require_space(self, pin: Pin, missing: list[PinnedFile]) -> None:
        blobs = self._repository(pin.id) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        needed = sum(file.bytes - _size(_part(blobs / file.oid)) for file in missing)
        free = shutil.disk_usage(blobs).free
        if needed > free:
            raise ModelError(
                f"{pin.id} needs {mib(needed)} MiB in the cache of the hub, where {mib(free)} MiB "
                "are free",
                where=self.cache,
                hint="Free some space, or let HF_HOME name a folder on another disk.",
            )

    def _download(
        self, pin: Pin, file: PinnedFile, digests: Digests | None, tell: _Telling
    ) -> Path:
        """One file, checked; what is there of it is kept when this fails. Raises ModelError."""
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

        blob = self._repository(pin.id) / "blobs" / file.oid
        lock = self.cache / ".locks" / self._repository(pin.id).name / f"{file.oid}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        part = _part(blob)
        with WeakFileLock(lock):  # other tools that download this file hold the same one
            if not _holds(blob, file, digests):
                fresh = _size(part) == 0
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

    def _complete(self, pin: Pin, file: PinnedFile, part: Path, tell: _Telling) -> bool:
        """Bring `part` to the length of the file; False, and no `part`, when its hash is wrong."""
        url, headers = self._request(pin, file.name)

        def append() -> str:
            return _append(url, headers, file, part, lambda done: tell(file, done))

        oid = self._patiently(append, (pin.id, pin.commit, file.name), lambda: _size(part))
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


def _append(
    url: str, headers: dict[str, str], file: PinnedFile, part: Path, tell: Callable[[int], None]
) -> str:
    """Add what is missing to `part`; the hash of the whole. Raises what the HTTP client does."""
    with part.open("ab+") as stream:
        done, digest = _hash_of(stream, file)
        while done < file.bytes:
            wanted = {**headers, "Range": f"bytes={done}-"} if done else headers
            with _opened(url, wanted) as (response, blocks):
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


def _hash_of(stream: Any, file: PinnedFile) -> tuple[int, Hash]:
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
def _opened(url: str, headers: dict[str, str]) -> Iterator[tuple[Any, Iterator[bytes]]]:
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


class _Telling:
    """Adds up what has arrived of several files, and tells it once for each `TOLD_BYTES`."""

    def __init__(self, what: str, files: list[PinnedFile], progress: Progress):
        self._what, self._progress = what, progress
        self._total = sum(file.bytes for file in files)
        self._done: dict[str, int] = {}
        self._told = 0

    def __call__(self, file: PinnedFile, done: int) -> None:
        self._done[file.name] = done
        together = sum(self._done.values())
        if together >= self._told + TOLD_BYTES or done == file.bytes:
            self._told = together
            self._progress(Amount(self._what, together, self._total))


def _part(blob: Path) -> Path:
    """Where huggingface_hub 0.x keeps what has arrived of a blob, too."""
    return blob.with_name(f"{blob.name}.incomplete")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _holds(path: Path, file: PinnedFile, digests: Digests | None) -> bool:
    """Whether the bytes at `path` are those of `file`."""
    try:
        if path.stat().st_size != file.bytes:
            return False
        if digests is not None and file.algorithm == "sha256":
            return digests.of(path) == file.oid
        with path.open("rb") as stream:
            return _hash_of(stream, file)[1].hexdigest() == file.oid
    except FileNotFoundError:
        return False


def _link(blob: Path, path: Path) -> None:
    """Give a blob its name, as huggingface_hub does: by a link, else by moving it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # Windows, unless allowed
        blob.replace(path)
