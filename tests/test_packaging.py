"""What is installed is what works: both kinds of install build a site in an empty folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from sitegen import vendor

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "build", "dist", "node_modules", "__pycache__", "tests", "vendor"
)
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_wheel(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    return run(sys.executable, *PIP, "wheel", *options, source, cwd=folder)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = build_wheel(ROOT, folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def virtual_environment(folder: Path, *what: str | Path) -> Path:
    """A fresh one with `what` installed; returns its folder of commands."""
    succeed(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    succeed(folder / "bin" / "python", *PIP, "install", *what, cwd=folder.parent)
    return folder / "bin"


def builds_a_site(commands: Path, folder: Path) -> None:
    """`sitegen new` and `sitegen build` give a site with a model, without npm and without PATH."""
    environment = {"PATH": str(commands), "SITEGEN_CACHE": str(folder / "cache")}
    succeed(commands / "sitegen", "new", "my-site", cwd=folder, **environment)
    succeed(commands / "sitegen", "build", "--root", "my-site", cwd=folder, **environment)
    built = folder / "my-site" / "dist" / "_sitegen"
    index = json.loads((built / "models.json").read_text(encoding="utf-8"))
    assert [model["name"] for model in index["models"]] == ["storyteller"]
    for build in index["engine"]["builds"].values():
        binary = (built / build["binary"]["path"]).read_bytes()
        assert hashlib.sha256(binary).hexdigest() == build["binary"]["sha256"]
    assert (built.parent / "index.html").exists()


def test_the_wheel_carries_what_a_build_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        for package in vendor.read_lock():
            for file in package.files:
                content = archive.read(f"sitegen/runtime/vendor/{file.place}")
                assert hashlib.sha256(content).hexdigest() == file.sha256
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        described = archive.read(metadata).decode()
    for path in (ROOT / "sitegen").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    for path in (ROOT / "themes").rglob("*"):
        if path.is_file():
            assert f"sitegen/{path.relative_to(ROOT).as_posix()}" in names
    always = [
        line
        for line in described.splitlines()
        if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    assert always
    assert not any(word in line for line in always for word in ("torch", "transformers", "optimum"))


def test_the_wheel_carries_nothing_of_the_workshop(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"sitegen"}
    assert not [name for name in names if "node_modules" in name or name.endswith(".pyc")]


def test_an_installed_wheel_builds_a_site(wheel: Path, tmp_path: Path) -> None:
    commands = virtual_environment(tmp_path / "venv", wheel)
    builds_a_site(commands, tmp_path)
    assert "torch" not in succeed(commands / "python", *PIP, "list", cwd=tmp_path)


def test_an_editable_install_builds_a_site(tmp_path: Path) -> None:
    commands = virtual_environment(tmp_path / "venv", "--no-deps", "--editable", ROOT)
    (packages,) = tmp_path.glob("venv/lib/*/site-packages")
    copy = packages / "sitegen"
    assert not copy.exists(), "an editable install must hold no copy that goes stale"
    # The dependencies of the environment the tests run in: the wheel's test installs them anew.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    builds_a_site(commands, tmp_path)


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    program = "import sys; from hatchling.build import build_sdist; build_sdist(sys.argv[1])"
    succeed(sys.executable, "-c", program, tmp_path, cwd=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert build_wheel(source, tmp_path).returncode == 0
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as two:
        assert {i.filename: i.CRC for i in one.infolist() if "RECORD" not in i.filename} == {
            i.filename: i.CRC for i in two.infolist() if "RECORD" not in i.filename
        }


def test_without_the_browser_packages_nothing_is_packaged(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    done = build_wheel(tree, tmp_path)
    assert done.returncode != 0
    assert "sitegen cannot be packaged" in done.stderr
    assert "the pinned browser packages are not here" in done.stderr
    assert "python -m sitegen vendor" in done.stderr


def test_a_changed_browser_package_is_not_packaged(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    copy = tree / "sitegen" / "runtime" / "vendor"
    shutil.copytree(vendor.FOLDER, copy)
    path = copy / "jinja" / "jinja.js"
    path.write_bytes(path.read_bytes().replace(b"export", b"expert", 1))
    done = build_wheel(tree, tmp_path)
    assert done.returncode != 0
    assert "jinja.js: this is not the file of @huggingface/jinja@0.5.11" in done.stderr
