"""What a hub refuses, and what an author can do about it.

The hub's answers say why in `X-Error-Code` and `X-Error-Message`; a status alone is not enough: 401
is also what a name that does not exist gets, 403 what a gated model does. See `hf_raise_for_status`
of huggingface_hub.
"""

from __future__ import annotations

import re
import sys

from sitegen.errors import ModelError


def client_errors() -> tuple[type[BaseException], ...]:
    """Base classes of what a request may raise: requests to 0.x, httpx in 1.x, httpx2 in 2.x."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    found: list[type[BaseException]] = [HfHubHTTPError, OfflineModeIsEnabled]
    for module, bases in (("requests", ("RequestException",)),
                          ("httpx", ("HTTPError", "InvalidURL")),
                          ("httpx2", ("HTTPError", "InvalidURL"))):  # fmt: skip
        if module in sys.modules:
            found += [getattr(sys.modules[module], base) for base in bases]
    return tuple(found)


def answer(error: BaseException) -> tuple[int, float]:
    """The status of the answer, 0 where there was none, and how long it asks to wait, in s.

    Both ways of asking are read: `Retry-After: 30` and the hub's `RateLimit: "api";r=0;t=30`
    (https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-09.html).
    """
    response = getattr(error, "response", None)
    if response is None:
        return 0, 0.0
    after = re.fullmatch(r"\s*(\d+)\s*", response.headers.get("Retry-After") or "")
    limit = re.search(r";\s*t=(\d+)", response.headers.get("RateLimit") or "")
    found = after or (limit if response.status_code == 429 else None)
    return response.status_code, float(found[1]) if found else 0.0


def explained(error: BaseException, endpoint: str, asked: tuple[str, ...]) -> ModelError:
    """What went wrong, in an author's words."""
    id, revision = asked[:2]
    file = f"{asked[2]} of " if len(asked) > 2 else ""
    response = getattr(error, "response", None)
    if response is None:
        return ModelError(
            f"{file}{id} cannot be had: {endpoint} does not answer ({_reason(error)})",
            hint="Check the network, HF_ENDPOINT and HTTPS_PROXY. What has arrived is kept; a "
            "build whose models are in the cache needs no network.",
        )
    status, code = response.status_code, response.headers.get("X-Error-Code")
    said = re.sub(r"[^ -~]", "?", response.headers.get("X-Error-Message") or "")
    login = "log in with `hf auth login`, or put a token into HF_TOKEN"
    if code == "GatedRepo":
        return ModelError(
            f"{id} is gated: its owner asks readers to agree to conditions first",
            hint=f"Agree to them at {endpoint}/{id}; then {login}. "
            "What its licence says about publishing holds for your site, too.",
        )
    if code == "RevisionNotFound":
        pinned = len(revision) == 40
        return ModelError(
            f"{id} has no revision {revision!r}",
            hint=f"Its history was rewritten; `sitegen models update {id}` pins what is there now."
            if pinned
            else f"Branches and tags are listed at {endpoint}/{id}; the default is `main`.",
        )
    if code == "EntryNotFound":
        return ModelError(
            f"{file}{id} is not there any more, at {revision[:12]}",
            hint=f"`sitegen models update {id}` looks again.",
        )
    if status == 401 and "credentials" in said:
        return ModelError(
            f"{id}: {endpoint} does not accept your token",
            hint="It expired or was revoked: make a new one, "
            f"{login}; or take HF_TOKEN away for a public model.",
        )
    if status in (401, 404):
        return ModelError(
            f"there is no model {id!r} at {endpoint}, or it is private",
            hint=f"Check the name, capitals count; for a private one {login}. A folder of the site "
            f"is written ./{id}.",
        )
    if status == 403:
        return ModelError(
            f"{endpoint} refuses access to {id}" + (f": {said}" if said else ""),
            hint=f"Does your token allow it? Else {login}.",
        )
    if status == 429:
        after = answer(error)[1]
        wait = f" for {after:.0f} seconds" if after else ""
        return ModelError(
            f"{endpoint} asks to wait{wait}: too many requests",
            hint="Build again later; what has arrived is kept. With a token (HF_TOKEN) more "
            "requests are allowed.",
        )
    return ModelError(
        f"{endpoint} answers {status} when asked for {file}{id}",
        hint="The hub has a problem: build again later; what has arrived is kept."
        if status >= 500
        else f"The hub says: {said or 'nothing more'}.",
    )


def _reason(error: BaseException) -> str:
    """The innermost cause, which says most: 'Connection refused', 'timed out'."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
