"""Themes: where templates and static files are looked for, and what may be set.

A theme is a folder `themes/NAME/` with `templates/`, `static/` and `theme.toml`, in the site or
shipped with sitegen. Files are looked up one by one, the site's first, then the default theme's:
a site that wants another page template writes `themes/default/templates/page.html` and no more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from .. import toml
from ..config import STRICT, SiteConfig
from ..errors import ConfigError, ThemeError
from ..schema import describe, suggest, validate

_PACKAGE = Path(__file__).resolve().parent.parent
# Wheels carry the themes inside the package; a checkout has them beside it.
SHIPPED = (_PACKAGE / "themes", _PACKAGE.parent / "themes")
DEFAULT = "default"


class Option(BaseModel):
    """An `[options.NAME]` table of theme.toml."""

    model_config = STRICT

    type: Literal["text", "choice", "boolean", "number"]
    choices: list[str] = Field(default_factory=list)
    default: Any
    help: str = ""


class ThemeFile(BaseModel):
    """theme.toml."""

    model_config = STRICT

    name: str = ""
    description: str = ""
    licence: str = ""
    options: dict[str, Option] = Field(default_factory=dict)


@dataclass(frozen=True)
class Theme:
    """A theme, found and checked."""

    name: str
    folders: tuple[Path, ...]
    """Where a file is looked for, in this order."""
    options: Mapping[str, Any]
    """What templates see: the author's settings over the theme's defaults."""
    static: Mapping[str, Path]
    """Path below `static/` → file."""
    hash: str
    """12 hex digits over the names and bytes of the static files."""

    @property
    def url(self) -> str:
        """Folder of the static files, relative to the site's base."""
        return f"_sitegen/theme/{self.hash}/"

    def templates(self) -> list[str]:
        """Names of the templates that there are."""
        found = set()
        for folder in self.folders:
            base = folder / "templates"
            found |= {path.relative_to(base).as_posix() for path in base.rglob("*.html")}
        return sorted(found)


def load(config: SiteConfig) -> Theme:
    """The theme that sitegen.toml names.

    Raises ThemeError for a theme that is not there or whose theme.toml is broken, ConfigError for
    options that it does not have.
    """
    name = config.theme.name
    shipped = next((folder for folder in SHIPPED if folder.is_dir()), SHIPPED[0])
    roots = (config.root / "themes", shipped)
    own = [root / name for root in roots if (root / name).is_dir()]
    if not own or not re.fullmatch(r"\w[\w.-]*", name):
        there = {path.name for root in roots if root.is_dir() for path in root.iterdir()}
        raise ThemeError(
            f'there is no theme "{name}"',
            where=config.where("theme", "name"),
            hint=suggest(name, sorted(t for t in there if not t.startswith(".")), title="Themes"),
        )
    default = [root / DEFAULT for root in roots if (root / DEFAULT).is_dir()]
    folders = tuple(dict.fromkeys([*own, *default]))
    static = _static(folders, config.root)
    return Theme(
        name=name,
        folders=folders,
        options=_options(config, folders),
        static=static,
        hash=_hash(static),
    )


def _static(folders: tuple[Path, ...], root: Path) -> dict[str, Path]:
    """Path below `static/` → file; a theme in the site `root` publishes the site's files only."""
    found: dict[str, Path] = {}
    for folder in folders:
        base = folder / "static"
        for path in sorted(base.rglob("*")):
            name = path.relative_to(base)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                is_own = folder.is_relative_to(root / "themes")
                if is_own and not path.resolve().is_relative_to(root.resolve()):
                    raise ThemeError(
                        f"a symbolic link that leads out of the site, to {path.resolve()}",
                        where=path,
                        hint="Copy the file: what is published lies in the site's own folder.",
                    )
                found.setdefault(name.as_posix(), path)
    return dict(sorted(found.items()))


def _hash(static: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in static.items():
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def _options(config: SiteConfig, folders: tuple[Path, ...]) -> dict[str, Any]:
    known: dict[str, Option] = {}
    for folder in reversed(folders):
        file = toml.read(folder / "theme.toml", ThemeError)
        checked = validate(
            ThemeFile, file.data, locate=file.where, error=ThemeError, subject="theme.toml"
        )
        for name, option in checked.options.items():
            if problem := _misfit(option, option.default):
                raise ThemeError(
                    f'"options.{name}.default" must be {problem}, '
                    f"but is {describe(option.default)}",
                    where=file.where(("options", name, "default"), is_key=False),
                )
        known |= checked.options
    chosen: dict[str, Any] = {name: option.default for name, option in known.items()}
    for name, value in config.theme.options.items():
        if name not in known:
            raise ConfigError(
                f'the theme "{config.theme.name}" has no option "{name}"',
                where=config.where("theme", "options", name, is_key=True),
                hint=suggest(name, known, title="It has"),
            )
        if problem := _misfit(known[name], value):
            raise ConfigError(
                f'"theme.options.{name}" must be {problem}, but is {describe(value)}',
                where=config.where("theme", "options", name),
                hint=known[name].help or None,
            )
        chosen[name] = value
    return chosen


def _misfit(option: Option, value: object) -> str | None:
    """What the option wants, where `value` is not it."""
    match option.type:
        case "text":
            return None if isinstance(value, str) else "text"
        case "boolean":
            return None if isinstance(value, bool) else "true or false"
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            return None if fits else "a number"
        case "choice":
            return None if value in option.choices else f"one of {', '.join(option.choices)}"
