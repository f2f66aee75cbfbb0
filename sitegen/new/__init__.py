"""`sitegen new`: copies the small site in `site/`, ready to build and to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..errors import SitegenError

TEMPLATE = Path(__file__).parent / "site"


def create(folder: Path) -> list[Path]:
    """Start a site in `folder`; the files written.

    Raises SitegenError for a folder that is not empty or cannot be written.
    """
    try:
        return _copy(folder)
    except OSError as error:
        raise SitegenError(f"no site can be written here: {error.strerror}", where=folder) from None


def _copy(folder: Path) -> list[Path]:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SitegenError(
            f'"{folder}" is not an empty folder',
            hint="Name a new one: nothing was written.",
        )
    written = []
    for source in sorted(TEMPLATE.rglob("*")):
        name = source.relative_to(TEMPLATE)
        if source.is_file():
            # Stored without its dot: in this repository it would apply here.
            target = folder / (".gitignore" if name.name == "gitignore" else name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            written.append(target)
    return written
