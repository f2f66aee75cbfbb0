"""Reads content/: every file in, every page out, or the first mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..config import ModelSpec, SiteConfig
from ..errors import ContentError, Where
from . import apps, blocks, front_matter, references, sources
from .front_matter import FrontMatter
from .links import Links, Site
from .markdown import Blocked, Converter
from .marks import Marked
from .navigation import title_of
from .page import App, Heading, Page, placeholder
from .urls import page_url


@dataclass(frozen=True)
class _Draft:
    """A page of which only the front matter is read."""

    source: str
    path: Path
    text: str
    parts: front_matter.Split
    matter: FrontMatter
    marked: Marked


def read(config: SiteConfig) -> tuple[Page, ...]:
    """The pages of the site, by source. Raises ContentError with the place of the first mistake.

    Drafts are left out unless `[build] drafts` is true.
    """
    found = sources.find(config)
    everything = [_open(source, path) for source, path in found.pages.items()]
    published = [d for d in everything if config.build.drafts or not d.matter.draft]
    urls = {draft.source: page_url(PurePosixPath(draft.source)) for draft in published}
    site = Site(
        pages=urls,
        urls=frozenset(urls.values()),
        drafts=frozenset(d.source for d in everything) - {d.source for d in published},
        assets=frozenset(found.assets),
    )
    if "index.md" in site.drafts:
        raise ContentError("the home page is a draft", where=config.content / "index.md")
    converter = Converter()
    pages = tuple(_convert(draft, site, config, converter) for draft in published)
    _check_names(pages)
    return pages


def assets(config: SiteConfig) -> dict[str, Path]:
    """The files that are published as they are: of content/, and all of static/, by output path."""
    return sources.find(config).assets


def _open(source: str, path: Path) -> _Draft:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", where=path) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ContentError(
            "this line is not UTF-8", where=Where(path, line), hint="Save the file as UTF-8."
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = front_matter.split(text, path)
    matter, marked = front_matter.check(parts, path)
    return _Draft(source, path, text, parts, matter, marked)


def _convert(draft: _Draft, site: Site, config: SiteConfig, converter: Converter) -> Page:
    matter, url = draft.matter, site.pages[draft.source]
    declared = references.declared(matter, draft.marked, config.models, config.root)
    body, written = blocks.extract(draft.parts.body, draft.path, draft.parts.body_line)
    page_apps = [apps.build(block, declared, draft.path) for block in written]
    if declared.default and not page_apps:
        body += f"\n\n{placeholder(0)}\n"
        where = draft.marked.where(("model",), True)
        page_apps.append(App("chat", declared.default, {}, where.line or 1))
    links = Links(site, draft.source, url, draft.path, draft.text)
    try:
        html, toc = converter.convert(body, links.resolve)
    except Blocked as blocked:
        raise ContentError(
            "script or style inside a page is blocked by the site's content security policy",
            where=links.where(blocked.snippet),
            hint="Put it into a file beside the page: "
            '<script type="module" src="page.js"></script>; styles go into a theme.',
        ) from None
    title = matter.title or _heading(toc) or _named(url, config)
    shared = sorted({app.model for app in page_apps} - declared.own.keys())
    return Page(
        source=draft.path,
        url=url,
        title=title,
        description=matter.description,
        html=html,
        toc=toc,
        models={**declared.own, **{name: declared.shared[name] for name in shared}},
        places={
            **declared.places,
            **{name: config.where("models", name, is_key=True) for name in shared},
        },
        apps=tuple(page_apps),
        order=matter.order,
        nav=title if matter.nav is True else matter.nav or None,
        date=matter.date,
        draft=matter.draft,
        template=matter.template,
    )


def _heading(toc: tuple[Heading, ...]) -> str | None:
    """The first heading of the highest level."""
    first = sorted(toc, key=lambda heading: heading.level)[:1]
    return first[0].text if first else None


def _named(url: str, config: SiteConfig) -> str:
    """A title for a page that has none: its last folder's name; the home page is the site."""
    return title_of(url.split("/")[-2]) if url else config.site.title


def _check_names(pages: tuple[Page, ...]) -> None:
    """One name, one model: pages and scripts find a model by its name alone."""
    seen: dict[str, tuple[ModelSpec, Where]] = {}
    for page in pages:
        for name, spec in page.models.items():
            other, where = seen.setdefault(name, (spec, page.places[name]))
            if other != spec:
                raise ContentError(
                    f'the model "{name}" is another one than in {where}',
                    where=page.places[name],
                    hint="Give one of the two a name of its own: model: {id: …, name: my-model}",
                )
