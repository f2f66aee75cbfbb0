"""The browser engine's third-party packages: pinned by hash, found or fetched, never changed.

`vendor.lock.json` names each package's version, the SHA-512 of its tarball, its licence, and the
files that are kept with the SHA-256 of each. They are looked for in this order:

    sitegen/runtime/vendor/     wheels carry it; `python -m sitegen vendor` fills it in a checkout
    CACHE/vendor/<lock>/        fetched by an earlier build
    npm pack NAME@VERSION       the ordinary client, with the user's own settings; runs no script

A file that is not the one that was pinned stops the build. Nothing is fetched at `pip install`, at
import, or by the site's reader. Standard library only: the packaging hook runs this file too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sitegen.digests import Digests, sha256_of
from sitegen.errors import VendorError

PACKAGE = Path(__file__).parent
LOCK = PACKAGE / "vendor.lock.json"
LICENCES = PACKAGE / "licences"
FOLDER = PACKAGE / "runtime" / "vendor"

REFETCH = "To fetch the pinned packages again, type: python -m sitegen vendor"
INSTALL_NPM = (
    "Install Node.js 20 or newer with npm, or install sitegen from its wheel, "
    "which carries these packages."
)
# What npm, or the system under it, says when there is no way to the registry.
OFFLINE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ENETUNREACH|ENETDOWN|EHOSTUNREACH|ECONNREFUSED|ETIMEDOUT|ENOTCACHED"
)
NPM_LINES_SHOWN = 5
# npm's own pauses make an offline build wait 70 s for its message; these, 7 s.
NPM_RETRIES = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
# Longer than npm's own patience with a dead network, so that its message is the one shown.
NPM_TIMEOUT_S = 900

Progress = Callable[[str], None]


@dataclass(frozen=True)
class File:
    """One file kept of a package."""

    path: str  # inside the tarball's package/ folder
    place: str  # under runtime/vendor/, and under engine/<hash>/vendor/ of a site
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Package:
    """One npm package as it is pinned."""

    name: str
    version: str
    integrity: str  # "sha512-<base64>" of the tarball, as npm writes it
    licence: str  # SPDX
    notices: tuple[str, ...]  # files of sitegen/licences/
    files: tuple[File, ...]

    @property
    def spec(self) -> str:
        """As npm takes it, and as messages show it."""
        return f"{self.name}@{self.version}"


def read_lock(path: Path = LOCK) -> tuple[Package, ...]:
    """The pinned packages. Raises VendorError when the lock cannot be used."""
    try:
        document = json.loads(path.read_bytes())
        return tuple(_package(entry) for entry in document["packages"])
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise VendorError(
            f"the list of pinned packages cannot be read ({type(error).__name__}: {error}).",
            where=path,
            hint="Install sitegen again; in a checkout: git checkout -- sitegen/vendor.lock.json",
        ) from error


def ensure(
    cache: Path,
    *,
    folder: Path = FOLDER,
    packages: Sequence[Package] | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Path]:
    """Every pinned file, verified: place ("onnxruntime-web/ort.wasm.min.js") → path.

    Fetches with npm when neither `folder` nor `cache` has the files. Raises VendorError.
    """
    pinned = read_lock() if packages is None else tuple(packages)
    digests = Digests(cache / "digests.json")
    cached = cache / "vendor" / _key(pinned)
    if _any_present(folder, pinned):
        problem = _first_problem(folder, pinned, digests.of)
        if problem is not None:
            raise VendorError(problem.text, where=problem.path, hint=REFETCH)
        found = folder
    else:
        # A damaged cache is no one's mistake: it is fetched anew.
        if _first_problem(cached, pinned, digests.of) is not None:
            _fetch(pinned, cached, progress)
        found = cached
    digests.save()
    return {file.place: found / file.place for package in pinned for file in package.files}


def fill(
    folder: Path = FOLDER,
    *,
    packages: Sequence[Package] | None = None,
    progress: Progress | None = None,
) -> bool:
    """Make `folder` hold exactly the pinned files; True when that needed a download.

    Raises VendorError.
    """
    pinned = read_lock() if packages is None else tuple(packages)
    if _first_problem(folder, pinned, sha256_of) is None:
        return False
    _fetch(pinned, folder, progress)
    return True


def check(folder: Path = FOLDER, *, packages: Sequence[Package] | None = None) -> None:
    """Raise VendorError unless `folder` holds the pinned files. Downloads nothing."""
    pinned = read_lock() if packages is None else tuple(packages)
    if not _any_present(folder, pinned):
        raise VendorError(
            "the pinned browser packages are not here.",
            where=folder,
            hint="To fetch them, type: python -m sitegen vendor",
        )
    problem = _first_problem(folder, pinned, sha256_of)
    if problem is not None:
        raise VendorError(problem.text, where=problem.path, hint=REFETCH)


def notices(packages: Sequence[Package] | None = None) -> str:
    """The plain text that travels with every site: what it carries, from whom, on which terms."""
    pinned = read_lock() if packages is None else tuple(packages)
    parts = ["This site runs the following third-party software, unchanged.\n"]
    for package in pinned:
        heading = f"{package.name} {package.version} ({package.licence})"
        parts.append(f"{'=' * 80}\n{heading}\n{'=' * 80}\n")
        parts += [
            (LICENCES / name).read_text(encoding="utf-8").strip("\n") + "\n"
            for name in package.notices
        ]
    return "\n".join(parts)


def third_party(packages: Sequence[Package] | None = None) -> str:
    """THIRD_PARTY.md: which packages wheels and sites carry, and where their terms stand."""
    pinned = read_lock() if packages is None else tuple(packages)
    lines = [
        "# Third-party software",
        "",
        "Wheels of sitegen, and the sites it builds, carry these packages unchanged.",
        "A site has their terms at `_sitegen/third-party.txt`.",
        "This page is written from `sitegen/vendor.lock.json` by `make third-party`.",
    ]
    for package in pinned:
        lines += ["", f"## {package.name} {package.version}", ""]
        terms = ", ".join(f"[{name}](sitegen/licences/{name})" for name in package.notices)
        lines += [f"Licence: {package.licence} ({terms})", ""]
        lines += ["| file in the package | as |", "| --- | --- |"]
        lines += [f"| `{file.path}` | `{file.place}` |" for file in package.files]
    return "\n".join(lines) + "\n"


# -- the lock ----------------------------------------------------------------------------------


def _package(entry: Mapping[str, Any]) -> Package:
    files = []
    for path, kept in entry["files"].items():
        place = PurePosixPath(kept["place"])
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{kept['place']!r} leaves the folder")
        files.append(File(path, str(place), int(kept["bytes"]), str(kept["sha256"])))
    return Package(
        name=entry["name"],
        version=entry["version"],
        integrity=entry["integrity"],
        licence=entry["licence"],
        notices=tuple(entry["notices"]),
        files=tuple(files),
    )


def _key(packages: Sequence[Package]) -> str:
    """Name of the cache folder: another lock, another folder."""
    return hashlib.sha256(repr(packages).encode()).hexdigest()[:12]


# -- verifying ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Problem:
    path: Path
    text: str


def _any_present(folder: Path, packages: Sequence[Package]) -> bool:
    return any((folder / file.place).exists() for package in packages for file in package.files)


def _first_problem(
    folder: Path, packages: Sequence[Package], digest: Callable[[Path], str]
) -> _Problem | None:
    for package in packages:
        for file in package.files:
            path = folder / file.place
            try:
                size = path.stat().st_size
                found = digest(path) if size == file.bytes else None
            except OSError as error:
                missing = f"a file of {package.spec} is missing ({error.strerror})."
                return _Problem(path, missing)
            if found != file.sha256:
                seen = f"SHA-256 {found}" if found else f"{size} bytes"
                return _Problem(
                    path,
                    f"this is not the file of {package.spec} that was pinned: "
                    f"expected {file.bytes} bytes, SHA-256 {file.sha256}, found {seen}.",
                )
    return None


# -- fetching ----------------------------------------------------------------------------------


def _fetch(packages: Sequence[Package], folder: Path, progress: Progress | None) -> None:
    """Fetch into a temporary folder beside `folder`, verify, then rename into place."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".vendor-") as name:
            work = Path(name)
            for package in packages:
                if progress is not None:
                    progress(f"fetching {package.spec}")
                tarball = _npm_pack(package, work / "tarballs")
                _verify_tarball(tarball, package)
                _extract(tarball, package, work / "files")
            if folder.exists():
                if _first_problem(folder, packages, sha256_of) is None:
                    return  # another build was quicker, and may be reading it
                os.rename(folder, work / "before")
            os.rename(work / "files", folder)
    except OSError as error:
        raise VendorError(
            f"the pinned browser packages cannot be kept here: {error}.",
            where=folder,
            hint="Check the folder's permissions and the free space (60 MB are needed).",
        ) from error


def _npm_pack(package: Package, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError(
            f"npm is needed, once, to fetch {package.spec}, and it is not installed.",
            hint=INSTALL_NPM,
        )
    target = folder / str(len(list(folder.iterdir())) if folder.exists() else 0)
    target.mkdir(parents=True)
    # Inside the empty folder, so that no package.json of the author's site has a say.
    command = [npm, "pack", package.spec, "--ignore-scripts", "--loglevel=error", *NPM_RETRIES]
    try:
        done = subprocess.run(
            command, cwd=target, stdin=subprocess.DEVNULL, capture_output=True,
            encoding="utf-8", errors="replace", timeout=NPM_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise VendorError(
            f"npm did not deliver {package.spec} within {NPM_TIMEOUT_S // 60} minutes.",
            hint="Check the network, then build again.",
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
        # npm names the cause first; a stack and the place of its log follow.
        first = "\n    ".join(said[:NPM_LINES_SHOWN])
        if OFFLINE.search("\n".join(said)):
            cause = ", because its registry cannot be reached"
            hint = "The first build needs a network, later ones do not; "
            hint += "sitegen's wheel carries these packages and needs none."
        else:
            cause, hint = "", f"To see more, type: npm pack {package.spec}"
        raise VendorError(
            f"npm could not fetch {package.spec}{cause}. "
            f"npm said (exit {done.returncode}):\n    {first}",
            hint=hint,
        )
    tarballs = list(target.glob("*.tgz"))
    if len(tarballs) != 1:
        raise VendorError(
            f"npm reported success for {package.spec} but left {len(tarballs)} tarballs, not one.",
            hint=f"To see what it does, type: npm pack {package.spec}",
        )
    return tarballs[0]


def _verify_tarball(tarball: Path, package: Package) -> None:
    with tarball.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != package.integrity:
        raise VendorError(
            f"the tarball of {package.spec} is not the one that was pinned, and was refused.\n"
            f"    expected {package.integrity}\n"
            f"    found    {found}",
            hint="Nothing of it was kept. Check which registry npm uses (npm config get registry); "
            "if it is the one you trust, something on the way changes the file.",
        )


def _extract(tarball: Path, package: Package, folder: Path) -> None:
    """Write the files the lock names, and no other, whatever else the tarball holds."""
    wanted = {f"package/{file.path}": file for file in package.files}
    with tarfile.open(tarball, "r:gz") as archive:
        for member in archive:
            file = wanted.get(member.name)
            # A link or a device under a wanted name is not the file: it stays missing.
            stream = archive.extractfile(member) if file and member.isfile() else None
            if file is None or stream is None:
                continue
            content = stream.read()
            found = hashlib.sha256(content).hexdigest()
            if found != file.sha256:
                raise _out_of_step(
                    package, f"{file.path} has SHA-256 {found}, the lock says {file.sha256}"
                )
            place = folder / file.place
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            del wanted[member.name]
    if wanted:
        raise _out_of_step(package, f"{min(wanted.values(), key=lambda f: f.path).path} is missing")


def _out_of_step(package: Package, difference: str) -> VendorError:
    return VendorError(
        f"the list of files of {package.spec} does not fit its tarball: {difference}.",
        where=LOCK,
        hint="Nothing of it was kept. In a checkout: python tools/lock_vendor.py, then read the "
        "difference; otherwise install sitegen again.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m sitegen.vendor [third-party]`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["third-party"]:
        print(third_party(), end="")
        return 0
    if words:
        print(f"unknown: {' '.join(words)}; nothing, or third-party, is allowed", file=sys.stderr)
        return 2
    try:
        fetched = fill(progress=print)
    except VendorError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{FOLDER}: {'filled' if fetched else 'as pinned'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
