"""A static file server that misbehaves on demand, as real hosts and networks do."""

from __future__ import annotations

import mimetypes
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

Fault = Literal["truncated", "damaged", "page", "cut", "503"]

ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class FaultServer:
    """Serves `folder` at `url`; use as a context manager.

    faults:   path relative to the folder → what happens to its next requests, in order.
    headers:  added to every response.
    requests: paths asked for, in order.
    """

    def __init__(self, folder: Path, *, isolated: bool = False):
        self.folder = folder
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self.headers = dict(ISOLATION) if isolated else {}
        self.requests: list[str] = []
        self._http: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/"

    def __enter__(self) -> FaultServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve, on the same port as before when it was stopped."""
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None


def _handler(server: FaultServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection per request: stop() leaves none open

        def do_GET(self) -> None:
            name = unquote(urlsplit(self.path).path).lstrip("/")
            server.requests.append(name)
            path = server.folder / name
            if path.is_dir():
                path = path / "index.html"
            fault = server.faults[name].pop(0) if server.faults[name] else None
            if fault == "503":
                self._send(503, b"busy", "text/plain")
            elif fault == "page":
                self._send(200, b"<!doctype html>Not found", "text/html")
            elif not path.is_file():
                missing = server.folder / "404.html"
                body = missing.read_bytes() if missing.exists() else b"Not found"
                self._send(404, body, "text/html")
            else:
                self._serve(path.read_bytes(), _content_type(path), fault)

        def _serve(self, body: bytes, content_type: str, fault: Fault | None) -> None:
            if fault == "damaged":
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
            sent = body[: len(body) // 2] if fault in ("truncated", "cut") else body
            # "cut" promises all and closes early; "truncated" is a shorter file, honestly sent.
            length = len(body) if fault == "cut" else len(sent)
            self._send(200, sent, content_type, length)

        def _send(self, status: int, body: bytes, content_type: str, length: int = -1) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _content_type(path: Path) -> str:
    if path.suffix == ".js":
        return "text/javascript"
    if path.suffix == ".webmanifest":
        return "application/manifest+json"
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
