"""The files an author wrote: pages and other files of content/, and all of static/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..config import SiteConfig
from ..errors import ContentError, Where
from .urls import page_url, unfit

RESERVED = ("_sitegen", "sw.js", "404.html", "sitemap.xml")
"""Names at the site's base that sitegen writes itself, and nobody may replace."""

_HIDDEN_BUT_PUBLISHED = ".well-known"


@dataclass(frozen=True)
class Sources:
    """What the site is made of, each by its path below content/ or static/."""

    pages: dict[str, Path]
    assets: dict[str, Path]
    """Output path → file."""


def find(config: SiteConfig) -> Sources:
    """Every file that is published. Hidden files are left out, except in `.well-known`.

    Raises ContentError for names that some system or host cannot serve, for links that lead out
    of the site, and for two files that would be written to one place.
    """
    pages: dict[str, Path] = {}
    assets: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for name in ("content", "static"):
        for place, path in _walk(config.root / name, PurePosixPath(), config.root):
            key = place.as_posix()
            if name == "content" and place.suffix.lower() == ".md":
                pages[key] = path
                output = f"{page_url(place)}index.html"
            else:
                assets[key] = path
                output = key
            # The page of `a..md` would lie in a folder `a.`, which is worse than its own name.
            if reason := unfit(place) or unfit(PurePosixPath(output)):
                raise ContentError(reason, where=path, hint="Rename the file.")
            _claim(output, path, taken)
    if not config.content.is_dir():
        raise ContentError(
            f'there is no folder "{config.content}"',
            hint="Pages are Markdown files in content/; `sitegen new FOLDER` starts a site.",
        )
    if "index.md" not in pages:
        raise ContentError(
            "there is no home page",
            where=config.content / "index.md",
            hint="Write this file: it becomes the first page of the site.",
        )
    return Sources(pages, assets)


def _claim(output: str, path: Path, taken: dict[str, Path]) -> None:
    if output.split("/")[0].lower() in RESERVED:
        raise ContentError(
            f'sitegen writes "{output.split("/")[0]}" itself', where=path, hint="Rename the file."
        )
    # Case is folded: Windows and macOS hold one of `About` and `about`, and so do some hosts.
    other = taken.setdefault(output.lower(), path)
    if other is not path:
        raise ContentError(
            f'"{output}" is already taken by {other}',
            where=path,
            hint="Rename one of the two files; capital letters make no difference.",
        )


def _walk(folder: Path, place: PurePosixPath, root: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    if not folder.is_dir():
        return
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", where=folder) from None
    for path in entries:
        if path.name.startswith(".") and path.name != _HIDDEN_BUT_PUBLISHED:
            continue
        if path.is_symlink():
            _check_link(path, root)
        if path.is_dir():
            yield from _walk(path, place / path.name, root)
        elif path.is_file():
            yield place / path.name, path


def _check_link(path: Path, root: Path) -> None:
    if not path.exists():
        raise ContentError(f"a symbolic link to nothing: {path.readlink()}", where=Where(path))
    if path.is_dir():
        raise ContentError(
            "a symbolic link to a folder",
            where=Where(path),
            hint="Links to files inside the site are followed, links to folders are not.",
        )
    if not path.resolve().is_relative_to(root.resolve()):
        raise ContentError(
            f"a symbolic link that leads out of the site, to {path.resolve()}",
            where=Where(path),
            hint="Copy the file: what is published lies in the site's own folder.",
        )
