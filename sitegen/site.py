"""The pipeline: five rooms in a row, values in and values out; written only at the end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import bundle, config, content, render
from .config import ModelSpec, SiteConfig
from .content import Page
from .errors import ModelError, OutputError, Where
from .output import WriteReport, write
from .texts import SILENCE, Texts

if TYPE_CHECKING:
    from .models import Model

Progress = Callable[[str], None]

# Files that sitegen writes and an author may replace by one of the same name in static/.
REPLACEABLE = ("_headers", "manifest.webmanifest", "robots.txt")


@dataclass(frozen=True)
class Report:
    """What a build did."""

    output: Path
    pages: int
    models: Mapping[str, Mapping[str, int]]
    """Name → variant → bytes that a reader downloads."""
    quality: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Name → variant → `quality` of the manifest."""
    write: WriteReport
    seconds: Mapping[str, float]
    """Stage → wall time."""


def build(
    root: Path,
    *,
    output: Path | None = None,
    cache: Path | None = None,
    drafts: bool = False,
    report: Progress | None = None,
) -> Report:
    """Build the site in `root`.

    output: where to, default `[build] output`; cache: of models and packages, default the user's;
    drafts: publish drafts as well; report: gets a sentence about work that takes a while.
    Raises SitegenError for what the author can mend; the output folder is untouched then.
    """
    from .models import Cache

    seconds: dict[str, float] = {}
    cache = cache or config.cache_folder()
    with Cache(cache).reading():
        with _timed(seconds, "content"):
            settings = _settings(root, drafts)
            folder = settings.output_folder(output)
            pages = content.read(settings)
            assets = content.assets(settings)
        with _timed(seconds, "models"):
            models = _prepare(pages, settings, cache, report)
        with _timed(seconds, "bundle"):
            bundled = bundle.collect(
                models, cache=cache, site_id=_site_id(settings), progress=report
            )
        with _timed(seconds, "render"):
            documents = render.render(settings, pages, bundled)
        with _timed(seconds, "output"):
            written = write(_together(documents, bundled.files, assets), folder)
    downloads = {model["name"]: model["bytes"] for model in bundled.index["models"]}
    quality = {
        name: {variant["name"]: variant["quality"] for variant in model.manifest["variants"]}
        for name, model in models.items()
    }
    return Report(folder, len(pages), downloads, quality, written, seconds)


@dataclass(frozen=True)
class Named:
    """A model of a site, as its pages name it."""

    places: Mapping[str, Where]
    """Each name that it has → where that is written."""
    pages: tuple[Path, ...]
    texts: Texts
    """What these pages say, where that may decide about its export."""


def named_models(root: Path) -> dict[ModelSpec, Named]:
    """Every model that the site in `root` names in its pages, drafts too, or in its sitegen.toml.

    A model is as a build without drafts would have it. Raises SitegenError for a site that cannot
    be read. A folder without a site names none.
    """
    settings = _settings(root, drafts=True)
    pages = content.read(settings) if settings.content.is_dir() else ()
    found = _named(pages) | _named([page for page in pages if not page.draft])
    for name, spec in settings.models.items():
        found.setdefault(
            spec, Named({name: settings.where("models", name, is_key=True)}, (), SILENCE)
        )
    return found


def _named(pages: Sequence[Page]) -> dict[ModelSpec, Named]:
    """The models that pages use."""
    places: dict[ModelSpec, dict[str, Where]] = {}
    users: dict[ModelSpec, list[Page]] = {}
    for page in pages:
        for name, spec in page.models.items():
            places.setdefault(spec, {}).setdefault(name, page.places[name])
            users.setdefault(spec, []).append(page)
    return {
        spec: Named(
            places[spec],
            tuple(dict.fromkeys(page.source for page in used)),
            sum(map(content.texts, used), SILENCE) if spec.reads_pages else SILENCE,
        )
        for spec, used in users.items()
    }


def _settings(root: Path, drafts: bool) -> SiteConfig:
    settings = config.load(root)
    if not drafts:
        return settings
    return settings.model_copy(update={"build": settings.build.model_copy(update={"drafts": True})})


def _prepare(
    pages: Sequence[Page], settings: SiteConfig, cache: Path, report: Progress | None
) -> dict[str, Model]:
    """The models that pages use, by name; a model that has two names is prepared once."""
    from .models import prepare

    prepared: dict[str, Model] = {}
    for spec, named in sorted(_named(pages).items(), key=lambda item: min(item[1].places)):
        try:
            model = prepare(
                spec, root=settings.root, cache=cache, texts=named.texts, progress=report
            )
        except ModelError as error:
            where = error.where or named.places[min(named.places)]
            raise ModelError(error.problem, where=where, hint=error.hint) from None
        prepared.update(dict.fromkeys(named.places, model))
    return dict(sorted(prepared.items()))


def _together(
    documents: Mapping[str, bytes | Path],
    bundled: Mapping[str, bytes | Path],
    assets: Mapping[str, Path],
) -> dict[str, bytes | Path]:
    """All files of the site; an author's file may replace only what REPLACEABLE names."""
    for path, source in assets.items():
        if path in documents and path not in REPLACEABLE:
            raise OutputError(f'sitegen writes "{path}" itself', where=source, hint="Rename it.")
    return {**documents, **bundled, **assets}


def _site_id(settings: SiteConfig) -> str:
    """12 hex digits that tell this site's caches from those of others on the same origin."""
    name = settings.site.base_url or settings.site.title
    return hashlib.sha256(name.encode()).hexdigest()[:12]


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = time.perf_counter() - start
