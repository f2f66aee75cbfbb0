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
from .errors import ModelError, OutputError
from .output import WriteReport, write

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
    seconds: dict[str, float] = {}
    cache = cache or config.cache_folder()
    with _timed(seconds, "content"):
        settings = _settings(root, drafts)
        folder = settings.output_folder(output)
        pages = content.read(settings)
        assets = content.assets(settings)
    with _timed(seconds, "models"):
        models = _prepare(pages, settings, cache, report)
    with _timed(seconds, "bundle"):
        bundled = bundle.collect(models, cache=cache, site_id=_site_id(settings), progress=report)
    with _timed(seconds, "render"):
        documents = render.render(settings, pages, bundled)
    with _timed(seconds, "output"):
        written = write(_together(documents, bundled.files, assets), folder)
    downloads = {model["name"]: model["bytes"] for model in bundled.index["models"]}
    return Report(folder, len(pages), downloads, written, seconds)


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

    named: dict[str, tuple[ModelSpec, Page]] = {}
    texts: dict[ModelSpec, dict[str, None]] = {}  # an ordered set
    for page in pages:
        for name, spec in page.models.items():
            named.setdefault(name, (spec, page))
            if spec.vocabulary is not None:
                texts.setdefault(spec, {}).update(dict.fromkeys(content.texts(page)))
    prepared: dict[ModelSpec, Model] = {}
    for name, (spec, page) in sorted(named.items()):
        if spec in prepared:
            continue
        try:
            prepared[spec] = prepare(
                spec,
                root=settings.root,
                cache=cache,
                texts=tuple(texts.get(spec, ())),
                progress=report,
            )
        except ModelError as error:
            if error.where is None:
                error = ModelError(error.problem, where=page.places[name], hint=error.hint)
            raise error from None
    return {name: prepared[spec] for name, (spec, _) in sorted(named.items())}


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
