"""Room 4, render: pages, a theme and the bundle become the documents of a site.

Knows templates and addresses; knows no Markdown, runs no model and writes no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..bundle import Bundle
from ..config import SiteConfig
from ..content import Page
from . import theme as themes
from .extras import extras
from .pages import documents

__all__ = ["render"]


def render(config: SiteConfig, pages: Sequence[Page], bundle: Bundle) -> dict[str, bytes | Path]:
    """Everything that is neither the author's own file nor of the bundle: output path → content.

    Raises ThemeError for a theme or template that is missing or broken, ConfigError for an option
    that the theme does not have.
    """
    theme = themes.load(config)
    found = documents(config, pages, bundle, theme)
    small = extras(config, pages, bundle, theme, found)
    static = {theme.url + name: path for name, path in theme.static.items()}
    return {**found, **small, **static}
