"""Pages and a theme's templates become HTML documents.

What a template may use is listed in `_shared` and `_page`; anything else is an error that names
the template's line. Addresses are relative to the page, in 404.html absolute: a host shows it at
any depth.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from .. import __version__
from ..bundle import BASE, BUILDS, Bundle
from ..config import SiteConfig
from ..content import Entry, Page, placeholder, relative, tree
from ..errors import ThemeError, Where
from .headers import POLICY
from .theme import Theme

GENERATOR = f"sitegen {__version__}"

WHOLE_NAVIGATION = 200
"""Above this number of pages a page shows only the sections it lies in: a navigation that names
every page on every page grows with the square of the site."""

Link = Callable[[str], str]
"""An address relative to the site's base → the one to write into a document."""


def documents(
    config: SiteConfig, pages: Sequence[Page], bundle: Bundle, theme: Theme
) -> dict[str, bytes]:
    """Every page and 404.html: output path → HTML. Raises ThemeError."""
    templates = _Templates(theme)
    entries = tree(pages)
    in_order = [page for entry in entries for page in entry.pages()]
    positions = {page.url: position for position, page in enumerate(in_order)}
    models = _summaries(bundle)
    found: dict[str, bytes] = {}
    for page in pages:
        link = _relative_to(page.url)
        context = _shared(config, bundle, theme, link) | {
            "page": _page(page, config),
            "nav": _navigation(entries, page, link, pruned=len(in_order) > WHOLE_NAVIGATION),
            "models": [models[name] for name in page.models if name in models],
            "has_apps": bool(page.apps),
            **_neighbours(positions.get(page.url), in_order, link),
        }
        context["page"]["html"] = _with_apps(page, context, models, templates)
        name = f"{page.template}.html"
        found[page.output] = templates.render(name, context, page.source).encode()
    found["404.html"] = _not_found(config, bundle, theme, templates, entries)
    return found


def _with_apps(
    page: Page, context: Mapping[str, Any], models: Mapping[str, Any], templates: _Templates
) -> Markup:
    html = page.html
    for index, app in enumerate(page.apps):
        view = {
            "kind": app.kind,
            "model": app.model,
            "options": app.options,
            "options_json": json.dumps(app.options, ensure_ascii=False),
        }
        block = templates.render(
            f"apps/{app.kind}.html",
            {**context, "app": view, "model": models[app.model]},
            Where(page.source, app.line),
        )
        html = html.replace(placeholder(index), block.strip())
    return Markup(html)


def _not_found(
    config: SiteConfig,
    bundle: Bundle,
    theme: Theme,
    templates: _Templates,
    entries: Sequence[Entry],
) -> bytes:
    def link(target: str) -> str:
        return quote(config.base_path + target)

    context = _shared(config, bundle, theme, link) | {
        "page": {
            "title": "Page not found",
            "description": "",
            "url": None,
            "html": Markup(""),
            "toc": [],
            "is_home": False,
            "lang": config.site.language,
            "updated": None,
        },
        "nav": _navigation(entries, None, link, pruned=True),
        "models": [],
        "has_apps": False,
        "prev": None,
        "next": None,
    }
    return templates.render("404.html", context, None).encode()


def _relative_to(url: str) -> Link:
    return lambda target: relative(url, target)


def _shared(config: SiteConfig, bundle: Bundle, theme: Theme, link: Link) -> dict[str, Any]:
    site = config.site
    return {
        "site": {
            "title": site.title,
            "description": site.description,
            "language": site.language,
            "base_url": site.base_url,
            "author": site.author,
        },
        "root": link(""),
        "theme": {"name": theme.name, "options": theme.options},
        "theme_url": link(theme.url),
        "engine_url": link(f"{BASE}engine/{bundle.engine_hash}/"),
        "csp": POLICY,
        "generator": GENERATOR,
    }


def _page(page: Page, config: SiteConfig) -> dict[str, Any]:
    return {
        "title": page.title,
        "description": page.description,
        "url": quote(page.url),
        "html": Markup(""),
        "toc": [{"level": h.level, "id": h.id, "text": h.text} for h in page.toc],
        "is_home": page.url == "",
        "lang": config.site.language,
        "updated": page.date.isoformat() if page.date else None,
    }


def _navigation(
    entries: Sequence[Entry], page: Page | None, link: Link, *, pruned: bool
) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        is_open = not pruned or (page is not None and page.url.startswith(entry.url))
        shown = entry.children if is_open else ()
        target = entry.page
        if target is None and not is_open:
            target = entry.pages()[0]  # a folded section without a page leads to its first one
        found.append(
            {
                "title": entry.title,
                "url": None if target is None else link(target.url),
                "is_current": page is not None and entry.page is page,
                "children": _navigation(shown, page, link, pruned=pruned),
            }
        )
    return found


def _neighbours(position: int | None, in_order: Sequence[Page], link: Link) -> dict[str, Any]:
    def view(at: int) -> dict[str, str] | None:
        if position is None or not 0 <= at < len(in_order):
            return None
        return {"title": in_order[at].title, "url": link(in_order[at].url)}

    return {"prev": view((position or 0) - 1), "next": view((position or 0) + 1)}


def _summaries(bundle: Bundle) -> dict[str, dict[str, Any]]:
    """What a page says about a model before it is loaded, by name."""
    found = {}
    for entry in bundle.index["models"]:
        source = bundle.files[BASE + entry["manifest"]["path"]]
        manifest = json.loads(source if isinstance(source, bytes) else source.read_bytes())
        found[entry["name"]] = {
            "name": entry["name"],
            "title": entry["title"],
            "licence": entry["licence"],
            "parameters": manifest["parameters"],
            "bytes": entry["bytes"],
            "download_bytes": _downloads(manifest, bundle),
        }
    return found


def _downloads(manifest: Mapping[str, Any], bundle: Bundle) -> tuple[int, int]:
    """The least and the most a reader downloads before the model runs: a variant and an engine."""
    engine = bundle.index["engine"]["builds"]
    totals = [
        variant["bytes"] + engine[build]["binary"]["bytes"]
        for variant in manifest["variants"]
        for build, (backend, _) in BUILDS.items()
        if backend in variant["backends"]
    ]
    return min(totals), max(totals)


class _Loader(jinja2.FileSystemLoader):
    """Finds templates, and says which line of which one is not UTF-8."""

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError as error:
            places = [Path(folder, template) for folder in self.searchpath]
            found = next(str(place) for place in places if place.is_file())
            line = error.object.count(b"\n", 0, error.start) + 1
            problem = "this line is not UTF-8"
            raise jinja2.TemplateSyntaxError(problem, line, template, found) from None


class _Templates:
    """The theme's templates; every mistake in one becomes a ThemeError with its line."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._environment = jinja2.Environment(
            loader=_Loader([folder / "templates" for folder in theme.folders]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            keep_trailing_newline=True,
        )

    def render(self, name: str, context: Mapping[str, Any], where: Any) -> str:
        """The template `name`, filled in; `where`: what asked for it."""
        try:
            return self._environment.get_template(name).render(context)
        except jinja2.TemplateNotFound as error:
            missing = str(error.name)
            raise ThemeError(
                f'the theme "{self._theme.name}" has no template "{missing}"',
                where=where if missing == name else self._place(error),
                hint=f"Templates: {', '.join(self._theme.templates())}.",
            ) from None
        except jinja2.TemplateSyntaxError as error:
            raise ThemeError(
                f"this template is broken: {error.message}",
                where=Where(error.filename or name, error.lineno),
            ) from None
        except jinja2.TemplateError as error:
            raise ThemeError(
                f"this template cannot be filled in: {error.message}",
                where=self._place(error),
                hint="A value that may be missing is written: {{ value | default('') }}."
                if isinstance(error, jinja2.UndefinedError)
                else None,
            ) from None
        except Exception as error:
            place = self._place(error)
            if place is None:
                raise
            raise ThemeError(
                f"this template cannot be filled in: {type(error).__name__}: {error}", where=place
            ) from None

    def _place(self, error: Exception) -> Where | None:
        """The innermost template line of a traceback; Jinja gives its frames the template's."""
        folders = [str(folder) for folder in self._theme.folders]
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if any(frame.filename.startswith(folder) for folder in folders):
                return Where(frame.filename, frame.lineno)
        return None
