"""Pinned browser packages: found, fetched, refused. npm is a real process that the test makes."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sitegen import vendor
from sitegen.errors import VendorError
from sitegen.vendor import File, Package

ROOT = Path(__file__).parents[1]
MODULE = b"export const answer = 42;\n"
BINARY = b"\0asm" + bytes(range(256)) * 64


def tarball(folder: Path, members: dict[str, bytes | str]) -> Path:
    """A .tgz as npm packs it; a str value is the target of a symbolic link."""
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def pin(path: Path, files: dict[str, tuple[str, bytes]], integrity: str | None = None) -> Package:
    """The lock entry of a tarball: path inside → (place, content)."""
    sha512 = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return Package(
        name="@example/engine",
        version="1.2.3",
        integrity=integrity or f"sha512-{sha512}",
        licence="MIT",
        notices=("jinja.txt",),
        files=tuple(
            File(name, place, len(content), hashlib.sha256(content).hexdigest())
            for name, (place, content) in files.items()
        ),
    )


FILES = {"dist/engine.mjs": ("engine/engine.js", MODULE), "dist/e.wasm": ("engine/e.wasm", BINARY)}
MEMBERS: dict[str, bytes | str] = {
    "package/package.json": b"{}",
    "package/dist/engine.mjs": MODULE,
    "package/dist/e.wasm": BINARY,
    "package/dist/unwanted.js": b"unwanted",
}


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put an executable `npm` with this Python body on an otherwise empty PATH.

    Returns the file in which it notes its arguments, one call a line.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "npm-calls"
    monkeypatch.setenv("PATH", str(folder))

    def install(body: str) -> Path:
        script = folder / "npm"
        note = f"open({str(calls)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
        script.write_text(f"#!{sys.executable}\nimport shutil, sys\n{note}\n{body}\n")
        script.chmod(0o755)
        return calls

    return install


def delivers(path: Path) -> str:
    return f"shutil.copy({str(path)!r}, 'example-engine-1.2.3.tgz')"


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return pin(tarball(tmp_path, MEMBERS), FILES)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A runtime/vendor/ that holds the pinned files."""
    folder = tmp_path / "vendor"
    for place, content in FILES.values():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_fetches_the_named_files_and_no_others(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    calls = npm(delivers(tmp_path / "package.tgz"))
    said: list[str] = []
    found = vendor.ensure(
        tmp_path / "cache", folder=tmp_path / "none", packages=[package], progress=said.append
    )
    assert {place: path.read_bytes() for place, path in found.items()} == {
        "engine/engine.js": MODULE,
        "engine/e.wasm": BINARY,
    }
    kept = tree(tmp_path / "cache" / "vendor")
    assert [name.split("/", 1)[1] for name in kept] == ["engine/e.wasm", "engine/engine.js"]
    assert said == ["fetching @example/engine@1.2.3"]
    assert calls.read_text().startswith("pack @example/engine@1.2.3 --ignore-scripts")


def test_the_second_build_asks_npm_nothing(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    calls = npm(delivers(tmp_path / "package.tgz"))
    for _ in range(2):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])
    assert len(calls.read_text().splitlines()) == 1


def test_another_lock_is_fetched_beside_the_first(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    calls = npm(delivers(tmp_path / "package.tgz"))
    fewer = pin(tmp_path / "package.tgz", {"dist/e.wasm": ("e.wasm", BINARY)})
    for pinned in (package, fewer, package):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[pinned])
    assert len(calls.read_text().splitlines()) == 2


def test_a_damaged_cache_is_fetched_again(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm(delivers(tmp_path / "package.tgz"))
    arguments = {"folder": tmp_path / "none", "packages": [package]}
    found = vendor.ensure(tmp_path / "cache", **arguments)
    found["engine/e.wasm"].write_bytes(BINARY[::-1])  # same length
    found["engine/engine.js"].unlink()
    again = vendor.ensure(tmp_path / "cache", **arguments)
    assert again["engine/e.wasm"].read_bytes() == BINARY
    assert again["engine/engine.js"].read_bytes() == MODULE


def test_a_filled_package_needs_no_npm(
    tmp_path: Path, package: Package, filled: Path, npm: Callable[[str], Path]
) -> None:
    found = vendor.ensure(tmp_path / "cache", folder=filled, packages=[package])
    assert found["engine/e.wasm"] == filled / "engine/e.wasm"


def test_a_changed_file_of_the_package_stops_the_build(
    tmp_path: Path, package: Package, filled: Path
) -> None:
    for path in filled.rglob("*"):
        os.utime(path, (1e9, 1e9))  # only digests of files that are not quite new are remembered
    vendor.ensure(tmp_path / "cache", folder=filled, packages=[package])
    other = BINARY[::-1]
    (filled / "engine/e.wasm").write_bytes(other)
    with pytest.raises(VendorError) as caught:
        vendor.ensure(tmp_path / "cache", folder=filled, packages=[package])
    message = str(caught.value)
    assert message.startswith(f"{filled / 'engine/e.wasm'}: ")
    assert hashlib.sha256(BINARY).hexdigest() in message
    assert hashlib.sha256(other).hexdigest() in message
    assert "python -m sitegen vendor" in message


@pytest.mark.parametrize("content", [b"", BINARY[:-1]])
def test_a_cut_file_of_the_package_stops_the_build(
    tmp_path: Path, package: Package, filled: Path, content: bytes
) -> None:
    (filled / "engine/e.wasm").write_bytes(content)
    with pytest.raises(VendorError, match=f"found {len(content)} bytes"):
        vendor.ensure(tmp_path / "cache", folder=filled, packages=[package])


def test_a_missing_file_of_the_package_stops_the_build(
    tmp_path: Path, package: Package, filled: Path
) -> None:
    (filled / "engine/e.wasm").unlink()
    with pytest.raises(VendorError, match="a file of @example/engine@1.2.3 is missing") as caught:
        vendor.ensure(tmp_path / "cache", folder=filled, packages=[package])
    assert str(caught.value).startswith(f"{filled / 'engine/e.wasm'}: ")


def test_without_npm_the_error_says_what_to_install(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VendorError) as caught:
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])
    assert str(caught.value) == (
        "npm is needed, once, to fetch @example/engine@1.2.3, and it is not installed.\n"
        "  Install Node.js 20 or newer with npm, or install sitegen from its wheel, "
        "which carries these packages."
    )


def test_what_npm_says_first_is_shown(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm("print('\\n'.join(f'line {n}' for n in range(9)), file=sys.stderr)\nsys.exit(7)")
    with pytest.raises(VendorError) as caught:
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])
    message = str(caught.value)
    assert message == (
        "npm could not fetch @example/engine@1.2.3. npm said (exit 7):\n"
        "    line 0\n    line 1\n    line 2\n    line 3\n    line 4\n"
        "  To see more, type: npm pack @example/engine@1.2.3"
    )


def test_what_npm_says_may_be_in_any_encoding(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm("sys.stderr.buffer.write(b'caf\\xe9 closed')\nsys.exit(1)")
    with pytest.raises(VendorError, match="caf\ufffd closed"):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])


def test_without_a_network_the_error_says_so(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm("print('npm error code ENOTFOUND', file=sys.stderr)\nsys.exit(1)")
    with pytest.raises(VendorError, match="because its registry cannot be reached") as caught:
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])
    assert "The first build needs a network, later ones do not" in str(caught.value)
    assert "npm error code ENOTFOUND" in str(caught.value)


def test_npm_that_delivers_nothing_is_reported(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm("")
    with pytest.raises(VendorError, match="left 0 tarballs, not one"):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])


def test_a_tampered_tarball_is_refused_and_nothing_is_kept(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    expected = package.integrity
    evil = tarball(tmp_path, MEMBERS | {"package/dist/engine.mjs": b"export const answer = 41;\n"})
    found = pin(evil, FILES).integrity
    npm(delivers(evil))
    with pytest.raises(VendorError, match="was refused") as caught:
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])
    assert f"expected {expected}\n" in str(caught.value)
    assert f"found    {found}\n" in str(caught.value)
    assert tree(tmp_path / "cache") == []


def test_one_bad_package_keeps_the_good_one_out_too(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm(delivers(tmp_path / "package.tgz"))
    bad = pin(tmp_path / "package.tgz", FILES, integrity="sha512-AAAA")
    with pytest.raises(VendorError, match="was refused"):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package, bad])
    assert tree(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("files", "difference"),
    [
        ({"dist/gone.mjs": ("gone.js", MODULE)}, "dist/gone.mjs is missing"),
        ({"dist/engine.mjs": ("engine.js", BINARY)}, "dist/engine.mjs has SHA-256"),
    ],
)
def test_a_lock_that_does_not_fit_its_tarball_is_refused(
    tmp_path: Path,
    npm: Callable[[str], Path],
    files: dict[str, tuple[str, bytes]],
    difference: str,
) -> None:
    path = tarball(tmp_path, MEMBERS)
    npm(delivers(path))
    with pytest.raises(VendorError, match=difference):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[pin(path, files)])
    assert tree(tmp_path / "cache") == []


def test_names_that_leave_the_folder_are_never_written(
    tmp_path: Path, npm: Callable[[str], Path]
) -> None:
    path = tarball(
        tmp_path,
        {
            "../../../escaped": b"1",
            "package/../../../escaped": b"2",
            str(tmp_path / "escaped"): b"3",
            "package/dist": "/",  # a link in place of a folder
            "package/dist/engine.mjs": MODULE,
        },
    )
    npm(delivers(path))
    pinned = pin(path, {"dist/engine.mjs": ("engine.js", MODULE)})
    found = vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[pinned])
    assert found["engine.js"].read_bytes() == MODULE
    assert not list(tmp_path.rglob("escaped"))
    assert len(tree(tmp_path / "cache" / "vendor")) == 1


def test_a_link_under_a_wanted_name_is_not_the_file(
    tmp_path: Path, npm: Callable[[str], Path]
) -> None:
    (tmp_path / "secret").write_bytes(MODULE)
    path = tarball(tmp_path, {"package/dist/engine.mjs": str(tmp_path / "secret")})
    npm(delivers(path))
    pinned = pin(path, {"dist/engine.mjs": ("engine.js", MODULE)})
    with pytest.raises(VendorError, match="dist/engine.mjs is missing"):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[pinned])


def test_a_file_where_the_cache_should_be_is_named(
    tmp_path: Path, package: Package, npm: Callable[[str], Path]
) -> None:
    npm(delivers(tmp_path / "package.tgz"))
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(VendorError, match="cannot be kept here"):
        vendor.ensure(tmp_path / "cache", folder=tmp_path / "none", packages=[package])


def test_fill_mends_a_folder_and_then_leaves_it(
    tmp_path: Path, package: Package, filled: Path, npm: Callable[[str], Path]
) -> None:
    calls = npm(delivers(tmp_path / "package.tgz"))
    (filled / "engine/e.wasm").write_bytes(b"tampered")
    (filled / "left-over.js").write_bytes(b"of an older lock")
    assert vendor.fill(filled, packages=[package]) is True
    assert tree(filled) == ["engine/e.wasm", "engine/engine.js"]
    assert (filled / "engine/e.wasm").read_bytes() == BINARY
    assert vendor.fill(filled, packages=[package]) is False
    assert len(calls.read_text().splitlines()) == 1
    assert [path.name for path in filled.parent.glob(".*")] == []


def test_check_downloads_nothing(
    tmp_path: Path, package: Package, filled: Path, npm: Callable[[str], Path]
) -> None:
    calls = npm(delivers(tmp_path / "package.tgz"))
    vendor.check(filled, packages=[package])
    with pytest.raises(VendorError, match="are not here") as caught:
        vendor.check(tmp_path / "none", packages=[package])
    assert "python -m sitegen vendor" in str(caught.value)
    (filled / "engine/engine.js").write_bytes(b"tampered")
    with pytest.raises(VendorError, match="is not the file"):
        vendor.check(filled, packages=[package])
    assert not calls.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"packages": [{"name": "a"}]}', "KeyError: 'files'"),
        ('{"packages": [{"name": "a", "files": []}]}', "AttributeError"),
        (
            '{"packages": [{"name": "a", "files": {"x": {"place": "../x", "bytes": 1,'
            ' "sha256": ""}}}]}',
            "'../x' leaves the folder",
        ),
    ],
)
def test_a_broken_lock_is_reported(tmp_path: Path, text: str, said: str) -> None:
    lock = tmp_path / "vendor.lock.json"
    lock.write_text(text)
    with pytest.raises(VendorError, match=said) as caught:
        vendor.read_lock(lock)
    assert str(caught.value).startswith(f"{lock}: ")


def test_a_missing_lock_is_reported(tmp_path: Path) -> None:
    with pytest.raises(VendorError, match="cannot be read .FileNotFoundError"):
        vendor.read_lock(tmp_path / "vendor.lock.json")


def test_the_lock_names_no_address() -> None:
    assert "://" not in vendor.LOCK.read_text()


def test_places_are_what_common_servers_have_a_media_type_for() -> None:
    places = [file.place for package in vendor.read_lock() for file in package.files]
    assert {Path(place).suffix for place in places} == {".js", ".wasm"}
    assert len(places) == len(set(places)) == 11


def test_third_party_page_is_what_the_lock_says() -> None:
    kept = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    assert kept == vendor.third_party(), "stale: type make third-party"


def test_the_site_s_notices_name_every_package_and_its_holder() -> None:
    text = vendor.notices()
    for package in vendor.read_lock():
        assert f"{package.name} {package.version} ({package.licence})" in text
    assert "Copyright (c) Microsoft Corporation" in text
    assert "Copyright (c) 2023 Hugging Face" in text
    assert "Apache License" in text
    assert "Eigen" in text  # compiled into onnxruntime's binaries


@pytest.mark.slow
def test_the_real_packages_are_the_pinned_ones(tmp_path: Path) -> None:
    found = vendor.ensure(tmp_path / "cache", folder=tmp_path / "none")
    for package in vendor.read_lock():
        for file in package.files:
            assert hashlib.sha256(found[file.place].read_bytes()).hexdigest() == file.sha256
    assert b"ONNX Runtime Web v1.30.0" in found["onnxruntime-web/ort.jspi.min.js"].read_bytes()
