"""The small files beside the pages: service worker, web app manifest, site map, robots.txt."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from ..bundle import BASE, Bundle
from ..config import SiteConfig
from ..content import Page, relative
from .headers import headers_file
from .theme import Theme

SHELL_PAGES_BYTES = 2_000_000
"""What a first visit may fetch ahead: the home page and those after it by address. The service
worker keeps every other page from the first time it is read."""


def extras(
    config: SiteConfig,
    pages: Sequence[Page],
    bundle: Bundle,
    theme: Theme,
    documents: Mapping[str, bytes],
) -> dict[str, bytes]:
    """Output path → content."""
    found = {
        "sw.js": _service_worker(pages, bundle, theme, documents),
        "manifest.webmanifest": _web_manifest(config, theme),
        "robots.txt": _robots(config),
        "_headers": headers_file(),
        # GitHub Pages would leave out every folder whose name starts with "_".
        ".nojekyll": "",
    }
    if config.site.base_url:
        found["sitemap.xml"] = _site_map(config.site.base_url, pages)
    return {path: text.encode() for path, text in found.items()}


def _service_worker(
    pages: Sequence[Page], bundle: Bundle, theme: Theme, documents: Mapping[str, bytes]
) -> str:
    """What a reader has offline after the first visit: pages, theme, engine; nothing large."""
    shell: dict[str, bytes | Path] = {}
    budget = SHELL_PAGES_BYTES
    for page in sorted(pages, key=lambda page: page.url):
        budget -= len(documents[page.output])
        if budget >= 0:
            shell[relative("", page.url)] = documents[page.output]
    shell |= {theme.url + name: path for name, path in theme.static.items()}
    shell |= {path: bundle.files[path] for path in bundle.shell}
    digest = hashlib.sha256()
    for url, content in sorted(shell.items()):
        data = content if isinstance(content, bytes) else content.read_bytes()
        digest.update(f"{url}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    settings = {"version": digest.hexdigest()[:12], "shell": list(shell)}
    return (
        f"self.SITEGEN = {json.dumps(settings)};\n"
        f'importScripts("{BASE}engine/{bundle.engine_hash}/service-worker.js");\n'
    )


def _web_manifest(config: SiteConfig, theme: Theme) -> str:
    icons = []
    for name in theme.static:
        if name == "icon.svg":
            icons.append({"src": theme.url + name, "sizes": "any", "type": "image/svg+xml"})
        elif size := re.fullmatch(r"icon-(\d+)\.png", name):
            sizes = f"{size[1]}x{size[1]}"
            icons.append({"src": theme.url + name, "sizes": sizes, "type": "image/png"})
    manifest = {
        "name": config.site.title,
        "description": config.site.description,
        "lang": config.site.language,
        "start_url": "./",
        "scope": "./",
        "display": "minimal-ui",
        "icons": icons,
    }
    given = {key: value for key, value in manifest.items() if value}
    return json.dumps(given, ensure_ascii=False, indent=2) + "\n"


def _robots(config: SiteConfig) -> str:
    lines = ["User-agent: *", "Allow: /"]
    if config.site.base_url:
        lines.append(f"Sitemap: {config.site.base_url}sitemap.xml")
    return "\n".join(lines) + "\n"


def _site_map(base_url: str, pages: Sequence[Page]) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">')
    for page in pages:
        if page.draft:
            continue
        changed = f"<lastmod>{page.date.isoformat()}</lastmod>" if page.date else ""
        lines.append(f"<url><loc>{escape(base_url + quote(page.url))}</loc>{changed}</url>")
    lines.append("</urlset>")
    return "\n".join(lines) + "\n"
