"""`sitegen models …` as an author uses it: what is printed, what is pinned, what is deleted."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import HubServer
from tiny_models import random_weights, write_model, write_safetensors

from sitegen.cli import main

ID = "org/Tiny-Llama"
PAGE = "---\ntitle: {title}\nmodel: {model}\n---\n\nText.\n"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def server(folder: Path) -> Iterator[HubServer]:
    with HubServer() as server:
        server.push(ID, folder)
        yield server


@pytest.fixture
def site(tmp_path: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose home names a model of the hub, and whose second page one of its own folder."""
    root = tmp_path / "site"
    (root / "content").mkdir(parents=True)
    (root / "content" / "index.md").write_text(PAGE.format(title="Home", model=ID), "utf-8")
    (root / "content" / "b.md").write_text(PAGE.format(title="B", model="small"), "utf-8")
    (root / "sitegen.toml").write_text('[models.small]\nid = "./folder"\ncontext = 64\n', "utf-8")
    write_model(root / "folder", seed=1)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("SITEGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(site: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["models", *arguments]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run


def commit_of(server: HubServer) -> str:
    return server.repositories[ID].revisions["main"]


def pins() -> dict[str, str]:
    lock = tomllib.loads(Path("sitegen.lock").read_text("utf-8"))
    return {f"{pin['id']} {pin['revision']}": pin["commit"] for pin in lock["model"]}


# -- list --------------------------------------------------------------------------------------


def test_an_empty_cache(run: Run, tmp_path: Path) -> None:
    assert run("list") == f"{tmp_path / 'cache'}: 0 exports, 0 B\n"
    assert json.loads(run("list", "--json")) == []


def test_the_list_says_which_pages_name_an_export(run: Run, server: HubServer) -> None:
    assert main(["build"]) == 0
    run("export", "./folder", "--context", "32")
    head, *rows, together = run("list").splitlines()
    assert head.split() == ["MODEL", "REVISION", "QUANTIZATION", "CONTEXT", "SIZE", "USED", "NAMED",
                            "BY"]  # fmt: skip
    fields = [re.split(r"\s{2,}", row) for row in rows]
    assert sorted((row[0], row[1], row[3], row[6]) for row in fields) == [
        ("./folder", "–", "32", "–"),
        ("./folder", "–", "64", "content/b.md"),
        (ID, commit_of(server)[:12], "512", "content/index.md"),
    ]
    assert re.search(r": 3 exports, \d+\.\d [kM]B$", together)


def test_the_list_as_json(run: Run, server: HubServer) -> None:
    run("export", ID)
    [values] = json.loads(run("list", "--json"))
    assert values["id"] == ID
    assert values["revision"] == commit_of(server)
    assert values["pages"] == ["content/index.md"]
    assert values["variants"].keys() == {"webgpu-f16", "webgpu-f32", "wasm"}
    assert values["bytes"] > max(values["variants"].values())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", values["used"])


def test_listing_asks_nobody(run: Run, server: HubServer) -> None:
    run("list")
    assert server.requests == []


# -- inspect -----------------------------------------------------------------------------------


def figures(text: str) -> dict[str, str]:
    rows = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in text.splitlines() if line]
    return {name: value for name, value in rows}


def table(text: str) -> list[list[str]]:
    """The cells of a description's table of variants, its head first."""
    return [re.split(r"\s{2,}", line) for line in text.partition("\n\n")[2].splitlines()]


def test_a_model_is_inspected_without_its_weights(run: Run, server: HubServer) -> None:
    shown = figures(run("inspect", ID))
    assert shown["revision"] == commit_of(server)
    assert shown["architecture"] == "llama"
    assert shown["parameters"] == "94,528"
    assert shown["context"] == "512 tokens"
    assert shown["licence"] == "apache-2.0"
    assert re.fullmatch(r"about \d+\.\d kB", shown["webgpu-f16"])
    assert shown["exported"] == "not yet"
    assert not Path("sitegen.lock").exists()
    assert not [path for path in Path("../hf").rglob("*.safetensors")]


def test_an_export_is_inspected_exactly(run: Run) -> None:
    guessed = json.loads(run("inspect", "small", "--json"))[0]
    run("export", "small")
    [found] = json.loads(run("inspect", "small", "--json"))
    same = ("id", "revision", "architecture", "parameters", "licence", "source_bytes")
    assert {name: found[name] for name in same} == {name: guessed[name] for name in same}
    assert (guessed["exported"], found["exported"]) == (False, True)
    assert found["context_length"] == 64
    assert figures(run("inspect", "small"))["exported"] == "yes"


QUALITY = {"positions", "bits_per_weight", "agreement", "kl", "perplexity_ratio"}


def test_the_quality_of_an_export_is_shown(run: Run) -> None:
    assert table(run("inspect", "small"))[0] == ["VARIANT", "DOWNLOAD"]
    printed = run("export", "small")
    assert run("inspect", "small") == printed
    head, *rows = table(printed)
    assert head == [
        "VARIANT", "DOWNLOAD", "BITS A WEIGHT", "SAME TOKEN", "KL", "PERPLEXITY"
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["webgpu-f16", "webgpu-f32", "wasm"]
    [found] = json.loads(run("inspect", "small", "--json"))
    assert all(values.keys() == QUALITY for values in found["quality"].values())
    wasm = found["quality"]["wasm"]
    assert rows[2][1:] == [
        f"{found['variants']['wasm'] / 1000:.1f} kB",
        f"{wasm['bits_per_weight']:.2f}",
        f"{wasm['agreement']:.1%} of {wasm['positions']}",
        f"{wasm['kl']:.4f}",
        f"× {wasm['perplexity_ratio']:.3f}",
    ]


def test_what_a_pruned_vocabulary_saves_is_shown(run: Run, site: Path) -> None:
    text = '[models.slim]\nid = "./folder"\nvocabulary = {keep = ["Latin"], size = 300}\n'
    (site / "sitegen.toml").write_text(text, "utf-8")
    (site / "content" / "b.md").write_text(PAGE.format(title="B", model="slim"), "utf-8")
    [before] = json.loads(run("inspect", "slim", "--json"))
    assert before["vocabulary"] is None
    [after] = json.loads(run("export", "slim", "--json"))
    assert json.loads(run("inspect", "slim", "--json")) == [after]
    vocabulary = after["vocabulary"]
    assert (vocabulary["tokens"], vocabulary["kept"]) == (512, 300)
    assert vocabulary["scripts"] == ["Latin"]
    gone = before["parameters"] - after["parameters"]
    assert vocabulary["bytes_saved"]["wasm"] == gone
    assert vocabulary["bytes_saved"]["webgpu-f16"] == int(gone * 0.5625)
    shown = figures(run("inspect", "slim"))
    assert shown["vocabulary"] == "300 of 512 tokens"
    assert shown["saved"].endswith(f"{gone / 1000:.1f} kB of wasm")


@pytest.mark.parametrize(
    "header",
    [
        (1 << 62).to_bytes(8, "little") + b"{" * (1 << 18),
        (3 << 20).to_bytes(8, "little") + b"[" * (3 << 20),
        (29).to_bytes(8, "little") + b'{"a": {"shape": [1.5, NaN]}}',
        b"",
    ],
    ids=["longer than memory", "nested", "no numbers", "empty"],
)
def test_headers_that_promise_what_cannot_be(run: Run, site: Path, header: bytes) -> None:
    (site / "folder" / "model.safetensors").write_bytes(header)
    assert "is not safetensors, or it is damaged" in run("inspect", "./folder", code=1)


def test_a_model_that_cannot_be_exported_says_why(run: Run, site: Path) -> None:
    config = json.loads((site / "folder" / "config.json").read_text("utf-8"))
    (site / "folder" / "config.json").write_text(json.dumps(config | {"model_type": "lama"}))
    assert figures(run("inspect", "./folder"))["exported"].startswith("`model_type` is 'lama'")


def test_what_a_model_says_of_itself_commands_no_terminal(run: Run, site: Path) -> None:
    config = json.loads((site / "folder" / "config.json").read_text("utf-8"))
    (site / "folder" / "config.json").write_text(json.dumps(config | {"model_type": "\x1b[2Jx"}))
    assert figures(run("inspect", "./folder"))["architecture"] == "?[2Jx"


def test_weights_in_several_files(run: Run, server: HubServer, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", files=3, num_hidden_layers=4)
    server.push("org/several", folder)
    expected = figures(run("inspect", "org/several"))["parameters"]
    several = figures(run("inspect", f"./{os.path.relpath(folder)}"))
    assert several["parameters"] == expected


def test_a_header_longer_than_what_is_read_first(
    run: Run, server: HubServer, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "m")
    weights = random_weights(json.loads((folder / "config.json").read_text("utf-8")))
    write_safetensors(folder / "model.safetensors", weights, "BF16", note="x" * 300_000)
    server.push("org/long", folder)
    assert figures(run("inspect", "org/long"))["parameters"] == "94,528"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["org/none"], "there is no model 'org/none' at"),
        (["builtin:storyteler"], "did you mean builtin:storyteller?"),
        (["smal"], "no model of this site is called 'smal'\n  Did you mean \"small\"? It has: "),
        ([ID, "--quantization", "q5"], '--quantization: "quantization.recipe" is the text "q5"'),
        ([ID, "--context", "3"], '--context: "context" must be at least 16'),
        (["./folder", "--revision", "v1"], "is a folder and has no revision 'v1'"),
    ],
)
def test_what_cannot_be_inspected(run: Run, arguments: list[str], said: str) -> None:
    assert said in run("inspect", *arguments, code=1)


# -- export ------------------------------------------------------------------------------------


def test_an_export_is_the_one_that_a_build_takes(
    run: Run, capsys: pytest.CaptureFixture[str], server: HubServer
) -> None:
    assert figures(run("export", ID))["revision"] == commit_of(server)
    run("export", "small")
    assert pins() == {f"{ID} main": commit_of(server)}
    capsys.readouterr()
    assert main(["build"]) == 0
    assert "verifying" not in capsys.readouterr().err


def test_what_the_site_says_of_a_model_holds_for_its_export(run: Run, site: Path) -> None:
    text = '[models.small]\nid = "./folder"\nquantization = "fp32"\ncontext = 32\n'
    (site / "sitegen.toml").write_text(text, "utf-8")
    run("export", "small")
    [values] = json.loads(run("list", "--json"))
    assert (values["quantization"], values["context_length"]) == ("fp32", 32)
    assert values["pages"] == ["content/b.md"]


def test_an_export_of_a_model_that_no_page_names(run: Run) -> None:
    run("export", "builtin:storyteller", "--quantization", "fp32", "--context", "128")
    [values] = json.loads(run("list", "--json"))
    assert (values["quantization"], values["context_length"]) == ("fp32", 128)


# -- verify ------------------------------------------------------------------------------------


def test_damage_is_said_and_mended(run: Run, tmp_path: Path) -> None:
    run("export", "small")
    assert run("verify").endswith(": 1 export, none damaged\n")
    largest = max((tmp_path / "cache" / "files").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[-1] ^= 1
    largest.write_bytes(data)
    said = run("verify", "./folder", code=1)
    assert f"./folder, q4, context 64: {largest.name} is not what it was" in said
    assert "1 of 1 export could not be relied upon; deleted" in said
    run("export", "small")
    run("verify")


def test_exports_are_verified_by_the_name_that_the_site_gives(run: Run) -> None:
    run("export", "small")
    run("export", ID)
    assert run("verify", "small").endswith(": 1 export, none damaged\n")


def test_an_export_that_is_not_there_cannot_be_verified(run: Run) -> None:
    assert "there is no export of 'org/none' in the cache" in run("verify", "org/none", code=1)


# -- prune -------------------------------------------------------------------------------------


def test_pruning_keeps_what_the_site_names(run: Run, tmp_path: Path) -> None:
    run("export", "small")
    run("export", "./folder", "--context", "32")
    would = run("prune", "--dry-run")
    assert re.search(r": 1 export would be deleted, \d+\.\d kB freed\n$", would)
    before = sum(path.stat().st_size for path in (tmp_path / "cache" / "files").iterdir())
    assert run("prune") == would.replace("would be deleted", "deleted")
    after = sum(path.stat().st_size for path in (tmp_path / "cache" / "files").iterdir())
    assert 0 < after < before
    assert [values["context_length"] for values in json.loads(run("list", "--json"))] == [64]
    assert run("prune").endswith(": 0 exports deleted, 0 B freed\n")


def test_pruning_by_age_whatever_names_it(run: Run, tmp_path: Path) -> None:
    run("export", "small")
    [entry] = (tmp_path / "cache" / "models").iterdir()
    assert ": 0 exports deleted" in run("prune", "--all", "--older-than", "30")
    os.utime(entry, (1, 1))
    assert ": 1 export deleted" in run("prune", "--all", "--older-than", "30")


def test_pruning_outside_of_a_site_deletes_nothing(run: Run, tmp_path: Path) -> None:
    run("export", "small")
    said = run("prune", "--root", str(tmp_path), code=1)
    assert f"{tmp_path}: there is no site here, whose exports could be kept" in said
    assert len(json.loads(run("list", "--json"))) == 1


@pytest.mark.parametrize("damage", ["sitegen.lock", "folder/config.json"])
def test_pruning_deletes_nothing_when_it_cannot_tell(run: Run, site: Path, damage: str) -> None:
    run("export", ID)
    run("export", "small")
    (site / damage).unlink()
    if damage == "sitegen.lock":
        (site / damage).write_text("<<<<<<< merged\n", "utf-8")
    said = run("prune", code=1)
    assert "nothing is deleted, because the export of" in said
    assert said.startswith(damage.partition("/")[0])
    assert len(json.loads(run("list", "--json"))) == 2


# -- update ------------------------------------------------------------------------------------


def test_an_update_moves_the_pin_and_says_so(run: Run, server: HubServer, folder: Path) -> None:
    old = commit_of(server)
    assert run("update") == f"{ID} (main): pinned to {old[:12]}\n"
    lock = Path("sitegen.lock")
    os.utime(lock, (1, 1))
    assert run("update") == f"{ID} (main): stays at {old[:12]}\n"
    assert lock.stat().st_mtime == 1
    new = server.push(ID, folder, **{"README.md": b"newer"})
    assert run("update", ID) == f"{ID} (main): {old[:12]} → {new[:12]}\n"
    assert pins() == {f"{ID} main": new}


def test_an_update_by_the_name_that_the_site_gives(run: Run, site: Path) -> None:
    (site / "sitegen.toml").write_text(f'[models.small]\nid = "{ID}"\n', "utf-8")
    assert run("update", "small").startswith(f"{ID} (main): pinned to ")


def test_an_update_downloads_nothing(run: Run, server: HubServer) -> None:
    run("update")
    assert server.sent_bytes == 0


def test_an_update_forgets_what_nothing_names(run: Run, site: Path, server: HubServer) -> None:
    run("update")
    (site / "content" / "index.md").write_text("# Home\n", "utf-8")
    commit = commit_of(server)
    said = run("update")
    assert said == f"{ID} (main): forgotten, because nothing names it any more\n"
    assert not (site / "sitegen.lock").exists()
    assert commit == commit_of(server)
    assert run("update") == "This site names no model of the hub.\n"


def test_an_update_that_fails_moves_no_pin(run: Run, site: Path, server: HubServer) -> None:
    run("update")
    before = (site / "sitegen.lock").read_bytes()
    server.push(ID, site / "folder")
    (site / "content" / "c.md").write_text(PAGE.format(title="C", model="org/none"), "utf-8")
    assert "there is no model 'org/none' at" in run("update", code=1)
    assert (site / "sitegen.lock").read_bytes() == before


def test_an_update_of_what_no_page_names(run: Run) -> None:
    said = run("update", "org/Tiny-Lama", code=1)
    assert "no page of this site names a hub model 'org/Tiny-Lama'" in said
    assert f'Did you mean "{ID}"?' in said


def test_an_update_where_no_page_names_a_hub_model(run: Run, site: Path) -> None:
    (site / "content" / "index.md").write_text("# Home\n", "utf-8")
    assert run("update", "org/a", code=1).endswith("'org/a'\n  They name none.\n")
