"""A page that names a model of the hub: downloaded once, pinned, then no network and no library."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Fault, HubServer
from slow_tokenizers import VOCAB, text, write_slow
from tiny_models import write_model
from tokenizers import Tokenizer

from sitegen.models.tracing import process
from sitegen.models.tracing.slow_tokenizer import PACKAGES

REPOSITORY = Path(__file__).parents[3]
ID = "org/Tiny-Llama"
PAGE = "---\ntitle: Home\nmodel: {model}\n---\n\nText.\n"
# As `sitegen`, and then says whether the library of the hub was imported.
PROGRAM = """
import sys
from sitegen.cli import main
code = main(sys.argv[1:])
print("imported:", "huggingface_hub" in sys.modules, "numpy" in sys.modules)
sys.exit(code)
"""


class Site:
    """A site's folder and the environment its commands run in."""

    def __init__(self, root: Path, server: HubServer):
        self.root, self.server = root, server
        self.variables = {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(root.parent / "hf"),
            "SITEGEN_CACHE": str(root.parent / "cache"),
            "PYTHONPATH": str(REPOSITORY),
            "PATH": os.environ["PATH"],
        }

    def name(self, model: str) -> None:
        page = self.root / "content" / "index.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(PAGE.format(model=model), "utf-8")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=self.root,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def build(self, **variables: str) -> subprocess.CompletedProcess[str]:
        done = self.run("build", **variables)
        assert done.returncode == 0, done.stderr
        return done

    @property
    def pin(self) -> dict[str, object]:
        [pin] = tomllib.loads((self.root / "sitegen.lock").read_text("utf-8"))["model"]
        return dict(pin)

    @property
    def manifest(self) -> dict[str, object]:
        [entry] = (self.root.parent / "cache" / "models").iterdir()
        return dict(json.loads(entry.read_text("utf-8"))["manifest"])


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def site(server: HubServer, tmp_path: Path) -> Site:
    site = Site(tmp_path / "site", server)
    site.name(ID)
    return site


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("hub") / "model")


def test_the_first_build_downloads_and_pins_the_second_needs_neither_network_nor_library(
    server: HubServer, site: Site, folder: Path
) -> None:
    commit = server.push(ID, folder)
    first = site.build()
    downloading = "org/Tiny-Llama: downloading"
    said = [line for line in first.stderr.splitlines() if line.startswith("org/")]
    assert said[0] == "org/Tiny-Llama: asking the hub for main"
    assert said[1] == f"{downloading} 4 files 0.0 of 0.0 MiB"
    assert said[-1] == f"{downloading} model.safetensors 0.2 of 0.2 MiB"
    assert (site.pin["id"], site.pin["revision"], site.pin["commit"]) == (ID, "main", commit)
    assert site.manifest["id"] == ID
    assert site.manifest["revision"] == commit
    lock = (site.root / "sitegen.lock").stat()

    server.requests.clear()
    second = site.build(HF_HUB_OFFLINE="1")
    assert second.stderr == ""
    assert second.stdout.splitlines()[-1] == "imported: False False"
    assert server.requests == []
    assert (site.root / "sitegen.lock").stat() == lock


def test_the_export_alone_is_enough(server: HubServer, site: Site, folder: Path) -> None:
    server.push(ID, folder)
    site.build()
    shutil.rmtree(site.root.parent / "hf")
    server.requests.clear()
    assert site.build().stdout.splitlines()[-1] == "imported: False False"
    assert server.requests == []


def test_the_files_alone_are_enough(server: HubServer, site: Site, folder: Path) -> None:
    server.push(ID, folder)
    site.build()
    shutil.rmtree(site.root.parent / "cache")
    server.requests.clear()
    assert site.build(HF_HUB_OFFLINE="1").stdout.splitlines()[-1] == "imported: False True"
    assert server.requests == []


def test_another_machine_gets_the_pinned_commit(
    server: HubServer, site: Site, folder: Path
) -> None:
    old = server.push(ID, folder)
    site.build()
    server.push(ID, folder, **{"README.md": b"newer"})
    for name in ("hf", "cache"):
        shutil.rmtree(site.root.parent / name)
    server.requests.clear()
    before = (site.root / "sitegen.lock").read_bytes()
    site.build()
    assert site.manifest["revision"] == old
    assert (site.root / "sitegen.lock").read_bytes() == before
    assert not [path for _, path, _ in server.requests if path.startswith("/api/models/")]


def test_another_revision_is_pinned_beside_the_first(
    server: HubServer, site: Site, folder: Path
) -> None:
    server.push(ID, folder)
    site.build()
    other = server.push(ID, folder, "v2", **{"README.md": b"newer"})
    site.name(f"{{id: {ID}, revision: v2}}")
    site.build()
    pins = tomllib.loads((site.root / "sitegen.lock").read_text("utf-8"))["model"]
    assert [(pin["revision"], pin["commit"] == other) for pin in pins] == [
        ("main", False),
        ("v2", True),
    ]


def test_a_refusal_points_at_the_page(server: HubServer, site: Site, folder: Path) -> None:
    done = site.run("build")
    assert done.returncode == 1
    assert done.stderr == (
        "org/Tiny-Llama: asking the hub for main\n"
        f"content/index.md:3:8: there is no model 'org/Tiny-Llama' at {server.url}, or it is "
        "private\n"
        "  3 | model: org/Tiny-Llama\n"
        "    |        ^\n"
        "  Check the name, capitals count; for a private one log in with `hf auth login`, or put a "
        "token into HF_TOKEN. A folder of the site is written ./org/Tiny-Llama.\n"
    )
    assert sorted(path.name for path in site.root.iterdir()) == ["content"]


def test_what_cannot_be_exported_is_not_downloaded(
    server: HubServer, site: Site, folder: Path
) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8")) | {"model_type": "lama"}
    server.push(ID, folder, **{"config.json": json.dumps(config).encode()})
    done = site.run("build")
    assert done.returncode == 1
    assert "config.json: `model_type` is 'lama'; did you mean 'llama'?" in done.stderr
    assert not [path for _, path, _ in server.requests if path.endswith("model.safetensors")]


@pytest.mark.skipif(bool(process.versions(PACKAGES)), reason="the extra is installed")
def test_nor_is_a_model_whose_tokenizer_needs_the_extra(
    server: HubServer, site: Site, folder: Path
) -> None:
    commit = server.push(ID, folder, **{"tokenizer.model": b"pieces"})
    del server.repositories[ID].commits[commit]["tokenizer.json"]
    done = site.run("build")
    assert done.returncode == 1
    assert "it has tokenizer.model, which transformers can convert" in done.stderr
    assert "pip install 'sitegen[optimum]'" in done.stderr
    assert "tokenizer.model" in (site.root / "sitegen.lock").read_text("utf-8")
    assert not [path for _, path, _ in server.requests if path.endswith("model.safetensors")]


@pytest.mark.parity
@pytest.mark.skipif(not process.versions(PACKAGES), reason="`make parity` installs the extra")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_with_the_extra_such_a_model_is_published_with_the_tokens_of_the_slow_tokenizer(
    server: HubServer, site: Site, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    folder = write_slow(tmp_path / "published", "llama")
    server.push(ID, folder)
    *described, _ = site.run("models", "inspect", ID, "--json").stdout.splitlines()
    [figures] = json.loads("".join(described))
    assert (figures["exported"], figures["problem"]) == (False, None)
    first = site.build()
    assert "converting the tokenizer: tokenizer.model" in first.stderr
    lock = (site.root / "sitegen.lock").read_text("utf-8")
    assert "tokenizer.model" in lock and "tokenizer.json" not in lock

    files = site.root / "dist" / "_sitegen"
    [listed] = json.loads((files / "models.json").read_text("utf-8"))["models"]
    manifest = json.loads((files / listed["manifest"]["path"]).read_text("utf-8"))
    assert (manifest["id"], manifest["vocab_size"]) == (ID, VOCAB)
    file = manifest["tokenizer"]["file"]
    tokenizer = Tokenizer.from_str(gzip.decompress((files / file["path"]).read_bytes()).decode())
    slow = AutoTokenizer.from_pretrained(folder, use_fast=False)
    for line in text():
        assert tokenizer.encode(line).ids == slow.encode(line), line

    server.requests.clear()
    second = site.build(HF_HUB_OFFLINE="1")
    assert (second.stderr, server.requests) == ("", [])
    assert second.stdout.splitlines()[-1] == "imported: False False"


def test_a_build_that_was_interrupted_keeps_its_pin(
    server: HubServer, site: Site, folder: Path
) -> None:
    old = server.push(ID, folder)
    server.faults = [Fault("model.safetensors", 404, {"X-Error-Code": "EntryNotFound"})]
    assert site.run("build").returncode == 1
    server.faults.clear()
    server.push(ID, folder, **{"README.md": b"newer"})
    site.build()
    assert site.manifest["revision"] == old


def test_a_broken_lock_stops_the_build(server: HubServer, site: Site) -> None:
    (site.root / "sitegen.lock").write_text("<<<<<<< HEAD\n")
    done = site.run("build")
    assert done.returncode == 1
    assert done.stderr.startswith("sitegen.lock:1:1: broken TOML: ")
    assert server.requests == []
