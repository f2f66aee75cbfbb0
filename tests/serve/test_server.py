from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sitegen.errors import OutputError, SitegenError
from sitegen.render.headers import POLICY
from sitegen.serve.server import Server

BIG = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "index.html": b"home",
        "404.html": b"not here",
        "guide/index.html": b"guide",
        "\u00fcber uns/index.html": b"about",
        "empty/file.txt": b"",
        "_sitegen/files/big.bin": BIG,
        "_sitegen/engine/abc/a.js": b"js",
        "a.wasm": b"\0asm",
        "a.JSON": b"{}",
        "manifest.webmanifest": b"{}",
        "style.css": b"",
        "unknown.xyz": b"",
        ".sitegen-output.json": b"{}",
        ".well-known/security.txt": b"mail",
    }
    for name, content in files.items():
        path = tmp_path / "dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "dist" / "escape.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "dist" / "out").symlink_to(tmp_path)
    (tmp_path / "dist" / "circle").symlink_to("circle")
    return tmp_path / "dist"


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(Server(folder, port=0)) as running:
        yield running


Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


def ask(server: Server, target: str, method: str = "GET", **headers: str) -> Answer:
    """One request, its target sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.putrequest(
            method, target, skip_host="Host" in headers, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "kind", "body"),
    [
        ("/", "text/html; charset=utf-8", b"home"),
        ("/?a=1", "text/html; charset=utf-8", b"home"),
        ("/index.html", "text/html; charset=utf-8", b"home"),
        ("/guide/", "text/html; charset=utf-8", b"guide"),
        ("/%C3%BCber%20uns/", "text/html; charset=utf-8", b"about"),
        ("/_sitegen/engine/abc/a.js", "text/javascript; charset=utf-8", b"js"),
        ("/_sitegen/files/big.bin", "application/octet-stream", BIG),
        ("/a.wasm", "application/wasm", b"\0asm"),
        ("/a.JSON", "application/json", b"{}"),
        ("/manifest.webmanifest", "application/manifest+json", b"{}"),
        ("/unknown.xyz", "application/octet-stream", b""),
        ("/.well-known/security.txt", "text/plain; charset=utf-8", b"mail"),
    ],
)
def test_files_with_their_types(server: Server, target: str, kind: str, body: bytes) -> None:
    status, headers, found = ask(server, target)
    assert (status, headers["Content-Type"], found) == (200, kind, body)
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("target", ["/", "/_sitegen/engine/abc/a.js", "/nowhere"])
def test_the_headers_a_host_would_send(server: Server, target: str) -> None:
    headers = ask(server, target)[1]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cache-Control"] == "no-store"


def test_head_answers_without_a_body(server: Server) -> None:
    for target in ("/", "/_sitegen/files/big.bin", "/nowhere", "/guide"):
        got, head = ask(server, target), ask(server, target, "HEAD")
        assert head[0] == got[0]
        assert head[1]["Content-Length"] == got[1]["Content-Length"]
        assert head[2] == b""


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/guide", "./guide/"),
        ("/guide?a=1&b=%20", "./guide/?a=1&b=%20"),
        ("/%C3%BCber%20uns", "./%C3%BCber%20uns/"),
        ("//evil.example/..//guide", None),
        ("//guide", "./guide/"),
    ],
)
def test_a_folder_is_asked_for_with_a_slash(
    server: Server, target: str, location: str | None
) -> None:
    status, headers, _ = ask(server, target)
    assert headers.get("Location") == location
    assert status == (301 if location else 404)


@pytest.mark.parametrize(
    "target",
    [
        "/nowhere",
        "/empty/",
        "/empty",
        "/index.html/",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/guide/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/index.html%00.txt",
        "/%ff",
        "/c:/windows",
        "/escape.txt",
        "/out/secret.txt",
        "/out/",
        "/circle",
        "/circle/x",
        "/" + "a" * 300,
        "/index.html/x",
        "/.sitegen-output.json",
        "/_sitegen/",
        "/_sitegen",
        "http://localhost/secret.txt",
        "*",
    ],
)
def test_nothing_else_is_served(server: Server, target: str) -> None:
    status, headers, body = ask(server, target)
    assert (status, body) == (404, b"not here")
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("wanted", "status", "span"),
    [
        ("bytes=0-9", 206, (0, 9)),
        ("bytes=10-", 206, (10, len(BIG) - 1)),
        ("bytes=-10", 206, (len(BIG) - 10, len(BIG) - 1)),
        ("bytes=-99999999", 206, (0, len(BIG) - 1)),
        ("bytes=5-99999999", 206, (5, len(BIG) - 1)),
        ("bytes=9-5", 200, None),
        ("bytes=0-1,5-6", 200, None),
        ("bytes=-", 200, None),
        ("lines=1-2", 200, None),
        (f"bytes={'9' * 5000}-", 200, None),
        (f"bytes={len(BIG)}-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_byte_ranges(
    server: Server, wanted: str, status: int, span: tuple[int, int] | None
) -> None:
    got, headers, body = ask(server, "/_sitegen/files/big.bin", Range=wanted)
    assert got == status
    if span:
        first, last = span
        assert headers["Content-Range"] == f"bytes {first}-{last}/{len(BIG)}"
        assert body == BIG[first : last + 1]
    elif status == 416:
        assert (headers["Content-Range"], body) == (f"bytes */{len(BIG)}", b"")
    else:
        assert body == BIG


def test_a_range_is_of_get_alone(server: Server) -> None:
    status, headers, _ = ask(server, "/_sitegen/files/big.bin", "HEAD", Range="bytes=0-9")
    assert (status, headers["Content-Length"]) == (200, str(len(BIG)))


def test_a_range_of_an_empty_file_cannot_be_satisfied(server: Server) -> None:
    assert ask(server, "/empty/file.txt", Range="bytes=0-0")[0] == 416
    assert ask(server, "/empty/file.txt")[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.0.1", 421),
        ("", 421),
    ],
)
def test_only_its_own_name_is_answered(server: Server, host: str, status: int) -> None:
    got, _, body = ask(server, "/", Host=host)
    assert got == status
    assert (body == b"home") is (status == 200)


def test_on_every_address_numbers_are_answered_and_names_are_not(folder: Path) -> None:
    with serving(Server(folder, host="0.0.0.0", port=0)) as server:
        assert server.url == f"http://localhost:{server.server_port}/"
        assert ask(server, "/", Host="192.168.0.1:8000")[0] == 200
        assert ask(server, "/", Host="evil.example")[0] == 421


def test_one_connection_carries_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.connect()
    line = connection.sock
    for target in ("/", "/nowhere", "/guide", "/_sitegen/files/big.bin", "/empty/file.txt"):
        for method in ("GET", "HEAD"):
            connection.request(method, target)
            connection.getresponse().read()
            assert connection.sock is line
    connection.close()


def test_the_body_of_a_request_is_not_taken_for_the_next_one(server: Server) -> None:
    body = b"GET /guide/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as line:
        line.sendall(head + body)
        with line.makefile("rb") as answer:
            assert answer.read().count(b"HTTP/1.1") == 1


def test_other_methods_are_refused(server: Server) -> None:
    assert ask(server, "/", "POST")[0] == 501


def test_under_a_base_path(folder: Path) -> None:
    with serving(Server(folder, port=0, base_path="/docs/")) as server:
        assert server.url.endswith("/docs/")
        assert ask(server, "/docs/")[2] == b"home"
        assert ask(server, "/docs/guide/")[2] == b"guide"
        assert ask(server, "/docs/guide")[1]["Location"] == "./guide/"
        for target in ("/", "/docs"):
            assert ask(server, target)[1]["Location"] == "/docs/"
        assert ask(server, "/guide/")[0] == 404
        assert ask(server, "/docsx/")[0] == 404


def test_a_port_in_use_is_said_with_a_free_one(server: Server, folder: Path) -> None:
    with pytest.raises(SitegenError) as error:
        Server(folder, port=server.server_port)
    assert error.value.problem == f"port {server.server_port} is in use"
    hint = error.value.hint or ""
    free = int(hint.rpartition(" ")[2])
    assert hint == f"Port {free} is free: --port {free}"
    with socket.create_server(("127.0.0.1", free)):
        pass


def test_a_host_that_is_not_this_computer(folder: Path) -> None:
    with pytest.raises(SitegenError, match='cannot listen on "192.0.2.1"'):
        Server(folder, host="192.0.2.1", port=0)


def test_a_folder_without_a_site(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no site here"):
        Server(tmp_path, port=0)


def test_without_a_page_for_it_what_is_missing_is_said_plainly(folder: Path) -> None:
    (folder / "404.html").unlink()
    with serving(Server(folder, port=0)) as server:
        assert ask(server, "/nowhere")[2] == b"Nothing lies at this address.\n"
