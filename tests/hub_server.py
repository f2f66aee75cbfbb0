"""A hub on this computer: as much of the Hugging Face hub's interface as a download needs.

    GET  /api/models/ORG/NAME/revision/REVISION?blobs=true   the commit, its files, sizes, hashes
    GET  /ORG/NAME/resolve/REVISION/FILE                     small files; large ones lead to /cdn/…
    GET  /cdn/SHA256                                         bytes, also a range of them

What the hub answers was read from huggingface_hub 0.36 and 2.4 (`hf_api.py`, `file_download.py`,
`utils/_http.py`) and their tests. `Fault` makes one kind of request go wrong.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", "tokenizer.json")  # kept by Git LFS: named by their SHA-256


@dataclass
class Fault:
    """What happens to requests whose path ends in `path`, `times` times."""

    path: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # bytes of the body, before the connection is closed
    change: Callable[[bytes], bytes] | None = None  # of the body
    times: int = 1_000_000


@dataclass
class Repository:
    """One model: revision → commit, commit → files."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    token: str | None = None  # that one must have
    gated: bool = False

    def push(self, files: dict[str, bytes], revision: str = "main") -> str:
        """A new commit, named by what it holds as git does; the revision moves to it."""
        whole = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[whole] = files
        self.revisions[revision] = whole
        return whole


class HubServer(ThreadingHTTPServer):
    """`with HubServer() as hub:` listens at `hub.url` until the block ends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, path, headers by lower-case names."""
        self.sent_bytes = 0  # of bodies of files
        self.knows_ranges = True
        self.counting = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has read enough is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def push(self, id: str, folder: Path, revision: str = "main", **changes: bytes) -> str:
        """Publish the files of a folder; the commit."""
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        repository = self.repositories.setdefault(id, Repository())
        return repository.push(files | changes, revision)

    def fault_of(self, path: str, of_body: bool) -> Fault | None:
        """The fault of a request, or of the bytes that answer it; one of its times is used up."""
        with self.counting:
            for fault in self.faults:
                if bool(fault.status) == of_body:
                    continue
                if path.endswith(fault.path) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, path, headers))
        fault = self.server.fault_of(path, of_body=False)
        if fault is not None:
            self._send(fault.status, b'{"error": "a fault"}', fault.headers)
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            self._describe(*found.groups(), blobs="blobs" in parse_qs(address.query))
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(*found.groups())
        elif found := re.fullmatch(r"/cdn/([0-9a-f]{64})/.+", path):
            self._bytes(self._by_hash(found[1]), found[1], path)
        else:
            self._send(404, b"")

    def _refusal(self, id: str, revision: str) -> tuple[int, str] | None:
        """Why there is nothing to see, as the hub says it."""
        repository = self.server.repositories.get(id)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repository is None:
            return (401 if not token else 404), "RepoNotFound"
        if token == "expired":
            return 401, "Invalid credentials in Authorization header"
        if repository.token and repository.token != token:
            if repository.gated:
                return (403 if token else 401), "GatedRepo"
            return 404, "RepoNotFound"
        if revision not in repository.commits and revision not in repository.revisions:
            return 404, "RevisionNotFound"
        return None

    def _refuse(self, status: int, code: str) -> None:
        plain = " " in code
        headers = {"X-Error-Message" if plain else "X-Error-Code": code}
        self._send(status, json.dumps({"error": code}).encode(), headers)

    def _files(self, id: str, revision: str) -> tuple[str, dict[str, bytes]]:
        repository = self.server.repositories[id]
        commit = repository.revisions.get(revision, revision)
        return commit, repository.commits[commit]

    def _describe(self, id: str, revision: str, blobs: bool) -> None:
        if refusal := self._refusal(id, revision):
            self._refuse(*refusal)
            return
        commit, files = self._files(id, revision)
        siblings: list[dict[str, Any]] = []
        for name, data in files.items():
            sibling: dict[str, Any] = {"rfilename": name}
            if blobs:
                sibling |= {"size": len(data), "blobId": _git_oid(data)}
                if name.endswith(LARGE):
                    sha256 = hashlib.sha256(data).hexdigest()
                    sibling["lfs"] = {"size": len(data), "sha256": sha256, "pointerSize": 135}
            siblings.append(sibling)
        answer = {"_id": "1", "id": id, "modelId": id, "sha": commit, "siblings": siblings,
                  "private": False, "gated": False, "tags": [], "downloads": 0}  # fmt: skip
        body = json.dumps(answer).encode()
        fault = self.server.fault_of(f"revision/{revision}", of_body=True)
        if fault is not None and fault.change is not None:
            body = fault.change(body)
        self._send(200, body, {"Content-Type": "application/json"})

    def _file(self, id: str, revision: str, name: str) -> None:
        if refusal := self._refusal(id, revision):
            self._refuse(*refusal)
            return
        commit, files = self._files(id, revision)
        if name not in files:
            self._refuse(404, "EntryNotFound")
            return
        data = files[name]
        headers = {"X-Repo-Commit": commit}
        if name.endswith(LARGE):
            sha256 = hashlib.sha256(data).hexdigest()
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{sha256}"'}
            # The content store is another host: a token has no business there.
            store = f"http://localhost:{self.server.server_port}"
            self._send(302, b"", {**headers, "Location": f"{store}/cdn/{sha256}/{name}"})
        else:
            self._bytes(data, _git_oid(data), name, headers)

    def _by_hash(self, sha256: str) -> bytes:
        return next(
            data
            for repository in self.server.repositories.values()
            for files in repository.commits.values()
            for data in files.values()
            if hashlib.sha256(data).hexdigest() == sha256
        )

    def _bytes(
        self, data: bytes, etag: str, path: str, headers: dict[str, str] | None = None
    ) -> None:
        fault = self.server.fault_of(path, of_body=True)
        if fault is not None and fault.change is not None:
            data = fault.change(data)
        headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **(headers or {})}
        status, start, end = 200, 0, len(data)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found and self.server.knows_ranges:
            start = int(found[1])
            if start >= len(data):
                self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            status, end = 206, min(end, int(found[2] or end) + 1)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        body = data[start:end]
        cut = None if fault is None else fault.cut_after
        self._send(status, body, headers, cut)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = body if cut is None else body[:cut]
        if status in (200, 206) and "ETag" in (headers or {}):
            with self.server.counting:  # before: the client may look as soon as it has them
                self.server.sent_bytes += len(sent)
        self.wfile.write(sent)
        if cut is not None:
            self.close_connection = True


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
