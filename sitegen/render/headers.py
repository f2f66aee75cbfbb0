"""The HTTP headers a site asks for: written to `_headers`, sent by the preview server.

`_headers` is read by Netlify and Cloudflare. Both join the values of every rule that matches a
path, so that no header may stand in two rules for one path.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

# Scripts, connections and workers of the site's own only: the reader's browser enforces that no
# word leaves the page. 'wasm-unsafe-eval' lets WebAssembly compile; it allows no eval of scripts.
# frame-ancestors is left to the author's host: pages may be shown in another site's frame.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "connect-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "media-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK_AGAIN = {"Cache-Control": "no-cache"}

# Pages are left to the host's default, which is to ask again: they share the rule `/*` with all
# other files, and a second Cache-Control would be joined to theirs.
RULES: Mapping[str, Mapping[str, str]] = {
    "/*": {
        # Isolation from other sites, which gives WebAssembly threads.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    },
    # Named by their content: what lies at such an address never changes.
    "/_sitegen/engine/*": _IMMUTABLE,
    "/_sitegen/files/*": _IMMUTABLE,
    "/_sitegen/models/*": _IMMUTABLE,
    "/_sitegen/theme/*": _IMMUTABLE,
    "/_sitegen/models.json": _ASK_AGAIN,
    "/_sitegen/sitegen.js": _ASK_AGAIN,
    "/sw.js": _ASK_AGAIN,
}


def headers_for(path: str) -> dict[str, str]:
    """The headers of a path such as `/guide/`, as a host that reads `_headers` sends them."""
    found: dict[str, str] = {}
    for pattern, headers in RULES.items():
        if fnmatchcase(path, pattern):
            found |= headers
    return found


def headers_file() -> str:
    """The content of `_headers`."""
    lines = []
    for pattern, headers in RULES.items():
        lines.append(pattern)
        lines += [f"  {name}: {value}" for name, value in headers.items()]
    return "\n".join(lines) + "\n"
