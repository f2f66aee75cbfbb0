"""The preview server: static files with a site's own headers, for this computer.

The standard library's server, made correct where `python -m http.server` is not: HTTP/1.1 with
keep-alive, byte ranges, the headers that `_headers` asks of a host, no directory listings, and no
answer to other hosts' names (a page elsewhere could reach the site by pointing its name here).
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..errors import OutputError, SitegenError
from ..render.headers import headers_for
from .paths import Found, byte_range, find

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
IDLE_SECONDS = 30
PORTS_TRIED = 100

_BLOCK_BYTES = 1 << 18
# Written out: mimetypes.guess_type reads the system's registry, and that may say anything.
TYPES = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}


class Server(ThreadingHTTPServer):
    """Serves `folder` until it is closed; `url` says where.

    base_path: where on its host the site will lie, as 404.html holds absolute addresses. port 0
    takes any free one. Raises SitegenError for a port that is taken, or a host that is not this
    computer's, and OutputError for a folder that holds no site.
    """

    daemon_threads = True

    def __init__(
        self, folder: Path, *, host: str = "127.0.0.1", port: int = 8000, base_path: str = "/"
    ) -> None:
        if not (folder / "index.html").is_file():
            raise OutputError(
                "there is no site here", where=folder, hint="Build it first: sitegen build"
            )
        self.folder = folder
        self.base_path = base_path
        self.host = host
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise _unusable(error, host, port) from None
        self.names = {*LOCAL_NAMES, f"[{host}]" if ":" in host else host.lower()}

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this computer's name, which may take seconds.
        # Without reuse, Windows would let two servers share one port.
        self.allow_reuse_address = os.name != "nt"
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, self.allow_reuse_address)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who closes the page early is no error; anything else keeps its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        name = "localhost" if _is_everywhere(self.host) else self.host
        name = f"[{name}]" if ":" in name else name
        return f"http://{name}:{self.server_port}{quote(self.base_path)}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = f"sitegen/{__version__}"
    sys_version = ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: what a page cannot find, the browser's own tools list."""

    def _answer(self) -> None:
        if not self._is_for_us():
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to its own name only.\n")
            return
        found = find(self.server.folder, self.path, self.server.base_path)
        if found is None:
            page = self.server.folder / "404.html"
            if page.is_file():
                self._send(Found("/404.html", page), HTTPStatus.NOT_FOUND)
            else:
                self._say(HTTPStatus.NOT_FOUND, "Nothing lies at this address.\n")
        elif found.redirect:
            self.send_response(HTTPStatus.MOVED_PERMANENTLY)
            self.send_header("Location", found.redirect)
            self._end_headers(found.path, length=0)
        else:
            self._send(found, HTTPStatus.OK)

    def _is_for_us(self) -> bool:
        host = (self.headers.get("Host") or "").lower()
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name in self.server.names:
            return True
        # Listening on every address: any of this computer's addresses is asked by number, and a
        # number cannot be pointed elsewhere by a name service.
        return _is_everywhere(self.server.host) and _is_address(name)

    def _send(self, found: Found, status: HTTPStatus) -> None:
        assert found.file is not None
        try:
            stream = found.file.open("rb")
        except OSError:  # replaced or deleted by a build since it was found
            self._say(HTTPStatus.NOT_FOUND, "Nothing lies at this address.\n")
            return
        with stream:
            size = os.fstat(stream.fileno()).st_size
            first, last = 0, size - 1
            if status == HTTPStatus.OK and self.command == "GET":  # ranges are of GET alone
                wanted = byte_range(self.headers.get("Range"), size)
                if wanted is False:
                    self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                    self.send_header("Content-Range", f"bytes */{size}")
                    self._end_headers(found.path, length=0)
                    return
                if isinstance(wanted, tuple):
                    status, (first, last) = HTTPStatus.PARTIAL_CONTENT, wanted
            self.send_response(status)
            if status == HTTPStatus.PARTIAL_CONTENT:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            kind = TYPES.get(found.file.suffix.lower(), "application/octet-stream")
            self.send_header("Content-Type", kind)
            self._end_headers(found.path, length=last - first + 1)
            if self.command == "GET":
                self._stream(stream, first, last - first + 1)

    def _stream(self, stream: Any, first: int, left: int) -> None:
        stream.seek(first)
        while left > 0:
            block = stream.read(min(left, _BLOCK_BYTES))
            if not block:  # cut short by a build: the length was promised, so the line is cut
                self.close_connection = True
                return
            self.wfile.write(block)
            left -= len(block)

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        body = sentence.encode()
        self.send_response(status)
        self.send_header("Content-Type", TYPES[".txt"])
        self._end_headers("/", length=len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def _end_headers(self, path: str, *, length: int) -> None:
        for name, value in headers_for(path).items():
            if name != "Cache-Control":
                self.send_header(name, value)
        # The author changes files all the time: nothing is kept.
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(length))
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.send_header("Connection", "close")  # a body is not read, and is no next request
        self.end_headers()


def _unusable(error: OSError, host: str, port: int) -> SitegenError:
    if error.errno == errno.EADDRINUSE:
        free = _free_port(host, port)
        hint = f"Port {free} is free: --port {free}" if free else "Name another one: --port N"
        return SitegenError(f"port {port} is in use", hint=hint)
    if error.errno == errno.EACCES:
        return SitegenError(
            f"port {port} is not for ordinary programs", hint="Name one above 1023: --port 8000"
        )
    return SitegenError(
        f'cannot listen on "{host}": {error.strerror or error}',
        hint="--host takes an address of this computer; 0.0.0.0 stands for all of them.",
    )


def _free_port(host: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port + 1, min(port + PORTS_TRIED, 65536)):
        with socket.socket(family) as probe:
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return None


def _is_everywhere(host: str) -> bool:
    return host in ("0.0.0.0", "::", "")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
