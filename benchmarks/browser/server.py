"""A static host as they are common: gzip for code, a cache for ten minutes, cross-origin isolation.

It counts the bytes of every body as it goes over the wire.
"""

from __future__ import annotations

import gzip
import mimetypes
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

HEADERS = {
    # Threads need the first two.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "max-age=600",
    "Accept-Ranges": "bytes",
}
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
# Hosts compress these; weights, which hardly shrink, they send as they are.
COMPRESSED = (".html", ".js", ".mjs", ".css", ".json", ".wasm")


class Server:
    """Serves folders, each below its name: {"pages": folder} at /pages/. A context manager.

    sent: path → bytes of bodies so far; clear it to count anew.
    """

    def __init__(self, folders: Mapping[str, Path]):
        self.folders = dict(folders)
        self.sent: Counter[str] = Counter()
        self._packed: dict[Path, bytes] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://localhost:{self._http.server_address[1]}/"

    def __enter__(self) -> Server:
        for folder in self.folders.values():  # now: not while a reader waits for it
            for path in folder.rglob("*"):
                if path.suffix in COMPRESSED and path.is_file():
                    self._packed[path] = gzip.compress(path.read_bytes(), 6)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def file(self, name: str) -> Path | None:
        folder, _, rest = name.partition("/")
        if folder not in self.folders or ".." in rest.split("/"):
            return None
        path = self.folders[folder] / rest
        path = path / "index.html" if path.is_dir() else path
        return path if path.is_file() else None


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self, with_body: bool = True) -> None:
            name = unquote(urlsplit(self.path).path).lstrip("/")
            path = server.file(name)
            if path is None:
                return self._head(404, {"Content-Length": "0"})
            stat = path.stat()
            headers = {
                **HEADERS,
                "Content-Type": TYPES.get(path.suffix)
                or mimetypes.guess_type(path.name)[0]
                or "application/octet-stream",
                "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
            }
            if self.headers.get("If-None-Match") == headers["ETag"]:
                return self._head(304, headers)
            start, end, status = 0, stat.st_size, 200
            packed = server._packed.get(path)
            if asked := self.headers.get("Range"):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start, end = int(first), min(end, int(last) + 1 if last else end)
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.st_size}"
                status = 206
            elif packed and "gzip" in self.headers.get("Accept-Encoding", ""):
                headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
                end = len(packed)
            self._head(status, {**headers, "Content-Length": str(end - start)})
            if not with_body:
                return
            server.sent[name] += end - start
            if "Content-Encoding" in headers and packed:
                self.wfile.write(packed)
            elif status == 206:
                with path.open("rb") as file:
                    file.seek(start)
                    self.wfile.write(file.read(end - start))
            else:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile, 1 << 20)

        def do_HEAD(self) -> None:
            self.do_GET(with_body=False)

        def _head(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
