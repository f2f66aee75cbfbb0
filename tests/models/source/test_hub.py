"""Downloading from the hub: only what is needed, resumed, checked, and every refusal explained."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import Fault, HubServer
from tiny_models import write_model

from sitegen.config import ModelSpec
from sitegen.digests import Digests
from sitegen.errors import ModelError
from sitegen.models.source import fetch, find
from sitegen.models.source.blobs import READ_BYTES, link
from sitegen.models.source.hub import Hub, cache_folder
from sitegen.models.source.lock import Pin, PinnedFile
from sitegen.progress import Amount

ID = "org/Tiny-Llama"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with much that an export does not need."""
    folder = write_model(tmp_path_factory.mktemp("hub") / "model")
    for name in ("pytorch_model.bin", "model.gguf", "consolidated.safetensors", "training_args.bin",
                 ".gitattributes", "tf_model.h5", "LICENSE"):  # fmt: skip
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture(autouse=True)
def _clean(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    server.repositories.clear()
    server.faults.clear()
    server.requests.clear()
    server.sent_bytes = 0


@pytest.fixture
def hub(server: HubServer, tmp_path: Path) -> Hub:
    return Hub(server.url, tmp_path / "hub", waits=(0, 0))


def everything(hub: Hub, digests: Digests | None = None) -> dict[str, Path]:
    pin = hub.resolve(ID, "main")
    return hub.fetch(pin, [file.name for file in pin.files], digests=digests)


def weights_of(server: HubServer) -> bytes:
    [repository] = server.repositories.values()
    return repository.commits[repository.revisions["main"]][WEIGHTS]


# -- what is fetched ---------------------------------------------------------------------------


def test_only_what_an_export_needs_is_fetched(server: HubServer, hub: Hub, folder: Path) -> None:
    commit = server.push(ID, folder, **{"onnx/model.onnx": b"", "../evil.safetensors": b""})
    paths = everything(hub)
    assert sorted(paths) == [
        "LICENSE",
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    for name, path in paths.items():
        assert path == hub.cache / "models--org--Tiny-Llama" / "snapshots" / commit / name
        assert path.read_bytes() == (folder / name).read_bytes()
    assert server.sent_bytes == sum((folder / name).stat().st_size for name in paths)
    assert not list(hub.cache.rglob("*.incomplete"))


def test_a_slow_tokenizer_is_fetched_where_there_is_no_other(
    server: HubServer, hub: Hub, folder: Path
) -> None:
    server.push(ID, folder, **{"tokenizer.model": b"pieces", "added_tokens.json": b"{}"})
    assert {"tokenizer.model", "added_tokens.json"}.isdisjoint(everything(hub))
    repository = server.repositories[ID]
    del repository.commits[repository.revisions["main"]]["tokenizer.json"]
    assert {"tokenizer.model", "added_tokens.json"} < everything(hub).keys()


def test_the_library_finds_what_was_fetched(server: HubServer, hub: Hub, folder: Path) -> None:
    from huggingface_hub import try_to_load_from_cache

    commit = server.push(ID, folder)
    for name, path in everything(hub).items():
        found = try_to_load_from_cache(ID, name, cache_dir=hub.cache, revision=commit)
        assert found == str(path)


def test_what_the_library_fetched_is_used(server: HubServer, hub: Hub, folder: Path) -> None:
    from huggingface_hub import hf_hub_download

    server.push(ID, folder)
    pin = hub.resolve(ID, "main")
    for file in pin.files:
        hf_hub_download(ID, file.name, revision=pin.commit, cache_dir=hub.cache,
                        endpoint=server.url)  # fmt: skip
    server.requests.clear()
    hub.fetch(pin, [file.name for file in pin.files])
    assert server.requests == []


def test_several_files_of_weights_come_by_their_index(
    server: HubServer, hub: Hub, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "m", files=3)
    (folder / "model-00004-of-00003.safetensors").write_bytes(b"not in the index")
    server.push(ID, folder)
    names = [name for name in everything(hub) if name.endswith(".safetensors")]
    assert names == [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]


def test_an_index_reaches_no_other_folder(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    index = b'{"weight_map": {"a": "../../../evil.safetensors"}}'
    folder = write_model(tmp_path / "m", files=2)
    server.push(ID, folder, **{"model.safetensors.index.json": index})
    with pytest.raises(ModelError, match="names of files beside it"):
        everything(hub)


def test_a_revision_is_the_commit_it_means_now(server: HubServer, hub: Hub, folder: Path) -> None:
    old = server.push(ID, folder, "v1")
    new = server.push(ID, folder, **{"README.md": b"new"})
    assert hub.resolve(ID, "v1").commit == old
    assert hub.resolve(ID, "main").commit == new
    assert hub.resolve(ID, old).commit == old


def test_a_token_is_sent_to_the_hub_and_not_to_where_the_bytes_lie(
    server: HubServer, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.push(ID, folder)
    server.repositories[ID].token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    everything(hub)
    for _, path, headers in server.requests:
        assert ("hf_secret" in headers.get("authorization", "")) != path.startswith("/cdn/"), path


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_the_beginning_of_a_file(
    server: HubServer, hub: Hub, folder: Path, knows_ranges: bool
) -> None:
    server.push(ID, folder)
    server.faults = [Fault(WEIGHTS, 503, times=1), Fault(WEIGHTS, cut_after=300, times=1)]
    server.knows_ranges = knows_ranges
    try:
        found = hub.beginning(hub.resolve(ID, "main"), WEIGHTS, 1000)
    finally:
        server.knows_ranges = True
    assert found == weights_of(server)[:1000]
    if knows_ranges:
        assert server.sent_bytes == 300 + 1000
    assert not hub.cache.exists(), "nothing is kept of it"


def test_progress_counts_the_bytes(server: HubServer, hub: Hub, folder: Path) -> None:
    server.push(ID, folder)
    pin = hub.resolve(ID, "main")
    said: list[str] = []
    hub.fetch(pin, [file.name for file in pin.files], said.append)
    amounts = [sentence for sentence in said if isinstance(sentence, Amount)]
    assert {amount.what for amount in amounts} == {"org/Tiny-Llama: downloading 6 files"}
    assert {amount.total for amount in amounts} == {sum(file.bytes for file in pin.files)}
    assert [a.done for a in amounts] == sorted(a.done for a in amounts)
    assert amounts[-1].done == amounts[-1].total
    assert str(amounts[-1]) == "org/Tiny-Llama: downloading 6 files 0.2 of 0.2 MiB"


@pytest.mark.parametrize("moment", ["asking", "downloading"])
def test_an_error_of_whoever_is_told_is_nobody_elses_fault(
    server: HubServer,
    hub: Hub,
    folder: Path,
    tmp_path: Path,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.push(ID, folder)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(hub.cache))

    def closed(sentence: str) -> None:
        if moment in sentence:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        fetch(find(ModelSpec(id=ID), tmp_path, closed), Digests(tmp_path / "d"), closed)


def test_waiting_for_another_program_is_said_once(
    server: HubServer, hub: Hub, folder: Path
) -> None:
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    server.push(ID, folder)
    pin = hub.resolve(ID, "main")
    [config] = [file for file in pin.files if file.name == "config.json"]
    lock = hub.cache / ".locks" / "models--org--Tiny-Llama" / f"{config.oid}.lock"
    lock.parent.mkdir(parents=True)
    said: list[str] = []
    with contextlib.ExitStack() as held:

        def say(sentence: str) -> None:
            said.append(sentence)
            held.close()

        held.enter_context(WeakFileLock(lock))
        hub.fetch(pin, ["config.json"], say)
    waiting = "org/Tiny-Llama: waiting for another program that is downloading config.json"
    assert said[0] == waiting
    assert len(said) == 2


# -- cut and damaged ---------------------------------------------------------------------------


def test_a_cut_connection_goes_on_where_it_was(server: HubServer, hub: Hub, folder: Path) -> None:
    server.push(ID, folder)
    server.faults = [Fault(WEIGHTS, cut_after=50_000, times=2)]
    paths = everything(hub)
    assert paths[WEIGHTS].read_bytes() == weights_of(server)
    repeated = server.sent_bytes - sum(path.stat().st_size for path in paths.values())
    assert 0 <= repeated <= 2 * READ_BYTES  # what the client held when the connection ended


def test_a_later_build_goes_on_where_the_first_gave_up(
    server: HubServer, hub: Hub, folder: Path
) -> None:
    server.push(ID, folder)
    server.faults = [
        Fault(WEIGHTS, cut_after=50_000, times=1),
        Fault(WEIGHTS, cut_after=0),
    ]
    pin = hub.resolve(ID, "main")
    with pytest.raises(ModelError, match=r"model\.safetensors of org/Tiny-Llama cannot be had"):
        hub.fetch(pin, [WEIGHTS])
    [part] = hub.cache.rglob("*.incomplete")
    arrived, server.sent_bytes = part.stat().st_size, 0
    assert 50_000 - READ_BYTES <= arrived <= 50_000
    server.faults.clear()
    path = hub.fetch(pin, [WEIGHTS])[WEIGHTS]
    assert path.read_bytes() == weights_of(server)
    assert server.sent_bytes == path.stat().st_size - arrived


def test_two_builds_at_once_download_once(server: HubServer, hub: Hub, folder: Path) -> None:
    server.push(ID, folder)
    program = (
        "import sys; from pathlib import Path; from sitegen.models.source.hub import Hub\n"
        "hub = Hub(sys.argv[1], Path(sys.argv[2]))\n"
        "pin = hub.resolve('org/Tiny-Llama', 'main')\n"
        "hub.fetch(pin, [file.name for file in pin.files])\n"
    )
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", program, server.url, str(hub.cache)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(3)
    ]
    assert [build.communicate()[1] for build in builds] == ["", "", ""]
    sizes = [path.stat().st_size for path in (hub.cache.rglob("snapshots/*/*"))]
    assert server.sent_bytes == sum(sizes)


def test_a_server_without_ranges_sends_everything_again(
    server: HubServer, hub: Hub, folder: Path
) -> None:
    server.push(ID, folder)
    pin = hub.resolve(ID, "main")
    config = next(file for file in pin.files if file.name == "config.json")
    part = hub.cache / "models--org--Tiny-Llama" / "blobs" / f"{config.oid}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes((folder / "config.json").read_bytes()[:10])
    server.knows_ranges = False
    try:
        path = hub.fetch(pin, ["config.json"])["config.json"]
    finally:
        server.knows_ranges = True
    assert path.read_bytes() == (folder / "config.json").read_bytes()


@pytest.mark.parametrize("left", [b"damaged", b"longer than the file itself " * 10_000])
def test_a_damaged_part_of_an_earlier_build_is_dropped(
    server: HubServer, hub: Hub, folder: Path, left: bytes
) -> None:
    server.push(ID, folder)
    oid = hashlib.sha256(weights_of(server)).hexdigest()
    part = hub.cache / "models--org--Tiny-Llama" / "blobs" / f"{oid}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert everything(hub)[WEIGHTS].read_bytes() == weights_of(server)


def test_a_server_without_ranges_that_never_sends_all(
    server: HubServer, hub: Hub, folder: Path
) -> None:
    server.push(ID, folder)
    server.faults = [Fault(WEIGHTS, change=lambda data: data[:-1])]
    server.knows_ranges = False
    try:
        with pytest.raises(ModelError, match="not the file it lists"):
            everything(hub)
    finally:
        server.knows_ranges = True


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
@pytest.mark.parametrize(
    "change", [flip, lambda data: data[:-1], lambda data: data + b"!", lambda data: b""]
)
def test_other_bytes_than_listed_never_get_a_name(
    server: HubServer,
    hub: Hub,
    folder: Path,
    name: str,
    change: Callable[[bytes], bytes],
) -> None:
    server.push(ID, folder)
    server.faults = [Fault(name, change=change)]
    with pytest.raises(ModelError) as error:
        everything(hub)
    assert f"org/Tiny-Llama: {name}: what the hub sent is not the file it lists" in str(error.value)
    assert "proxy" in (error.value.hint or "")
    assert not list(hub.cache.rglob(f"snapshots/*/{name}"))
    assert not list(hub.cache.rglob("*.incomplete"))


def test_a_damaged_file_of_the_cache_is_fetched_again(
    server: HubServer, hub: Hub, folder: Path
) -> None:
    server.push(ID, folder)
    path = everything(hub)[WEIGHTS].resolve()
    path.write_bytes(flip(path.read_bytes()))
    assert everything(hub)[WEIGHTS].read_bytes() == weights_of(server)


def test_a_download_is_hashed_once(
    server: HubServer, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    server.push(ID, folder)
    digests = Digests(tmp_path / "digests.json")
    path = everything(hub, digests)[WEIGHTS]
    assert digests.remembered(path) == hashlib.sha256(weights_of(server)).hexdigest()


# -- refusals ----------------------------------------------------------------------------------

SAID: dict[str, tuple[dict[str, object], str, str]] = {
    "missing": ({}, "there is no model 'org/Tiny-Llama' at {url}, or it is private", "hf auth"),
    "private": ({"token": "x"}, "there is no model 'org/Tiny-Llama' at {url}, or", "HF_TOKEN"),
    "gated": (
        {"token": "x", "gated": True},
        "org/Tiny-Llama is gated: its owner asks readers to agree to conditions first",
        "Agree to them at {url}/org/Tiny-Llama; then log in with `hf auth login`",
    ),
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("token", ["", "hf_other"])
def test_a_repository_that_may_not_be_read(
    server: HubServer,
    hub: Hub,
    folder: Path,
    kind: str,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes, problem, hint = SAID[kind]
    if kind != "missing":
        server.push(ID, folder)
        for name, value in changes.items():
            setattr(server.repositories[ID], name, value)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "main")
    assert error.value.problem.startswith(problem.format(url=server.url))
    assert hint.format(url=server.url) in (error.value.hint or "")
    assert error.value.where is None  # the page that names the model is
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository_may_be_described_to_all(
    server: HubServer, hub: Hub, folder: Path, status: int
) -> None:
    server.push(ID, folder)
    server.faults = [Fault("config.json", status, {"X-Error-Code": "GatedRepo"})]
    with pytest.raises(ModelError, match="org/Tiny-Llama is gated"):
        everything(hub)


def test_a_token_that_expired(
    server: HubServer, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.push(ID, folder)
    monkeypatch.setenv("HF_TOKEN", "expired")
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "main")
    assert error.value.problem == f"org/Tiny-Llama: {server.url} does not accept your token"
    assert "take HF_TOKEN away" in (error.value.hint or "")


def test_a_revision_that_is_not_there(server: HubServer, hub: Hub, folder: Path) -> None:
    server.push(ID, folder)
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "v2")
    assert error.value.problem == "org/Tiny-Llama has no revision 'v2'"
    assert "the default is `main`" in (error.value.hint or "")


def test_a_pinned_commit_that_is_gone(server: HubServer, hub: Hub, folder: Path) -> None:
    server.push(ID, folder)
    pin = hub.resolve(ID, "main")
    server.repositories[ID].commits.clear()
    with pytest.raises(ModelError) as error:
        hub.fetch(pin, ["config.json"])
    assert error.value.problem == f"org/Tiny-Llama has no revision '{pin.commit}'"
    assert "`sitegen models update org/Tiny-Llama`" in (error.value.hint or "")


def test_a_file_that_is_gone(server: HubServer, hub: Hub, folder: Path) -> None:
    server.push(ID, folder)
    pin = hub.resolve(ID, "main")
    del server.repositories[ID].commits[pin.commit]["config.json"]
    with pytest.raises(ModelError) as error:
        hub.fetch(pin, ["config.json"])
    assert error.value.problem == (
        f"config.json of org/Tiny-Llama is not there any more, at {pin.commit[:12]}"
    )


@pytest.mark.parametrize("path", ["revision/main", WEIGHTS, "config.json"])
@pytest.mark.parametrize(
    "fault",
    [Fault("", 429, {"Retry-After": "0"}), Fault("", 503), Fault("", 500), Fault("", 408)],
    ids=lambda fault: str(fault.status),
)
def test_a_busy_hub_is_asked_again(
    server: HubServer, hub: Hub, folder: Path, path: str, fault: Fault
) -> None:
    server.push(ID, folder)
    server.faults = [Fault(path, fault.status, fault.headers, times=2)]
    assert everything(hub)[WEIGHTS].read_bytes() == weights_of(server)


@pytest.mark.parametrize(
    ("fault", "problem", "hint"),
    [
        (Fault("", 503), "{url} answers 503 when asked for config.json of org/Tiny-Llama", "later"),
        (Fault("", 429), "{url} asks to wait: too many requests", "With a token"),
        (
            Fault("", 429, {"Retry-After": "3600"}),
            "{url} asks to wait for 3600 seconds: too many requests",
            "what has arrived is kept",
        ),
        (
            Fault("", 429, {"RateLimit": '"api";r=0;t=299'}),
            "{url} asks to wait for 299 seconds: too many requests",
            "With a token",
        ),
        (Fault("", 403), "{url} refuses access to org/Tiny-Llama", "Does your token allow it?"),
        (Fault("", 418), "{url} answers 418 when asked for config.json of", "nothing more"),
    ],
    ids=["503", "429", "429-long", "429-limit", "403", "418"],
)
def test_a_hub_that_goes_on_refusing(
    server: HubServer,
    hub: Hub,
    folder: Path,
    fault: Fault,
    problem: str,
    hint: str,
) -> None:
    server.push(ID, folder)
    server.faults = [Fault("config.json", fault.status, fault.headers)]
    with pytest.raises(ModelError) as error:
        everything(hub)
    assert error.value.problem.startswith(problem.format(url=server.url))
    assert hint in (error.value.hint or "")


def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    hub = Hub("http://127.0.0.1:9", tmp_path, waits=(0,))
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "main")
    assert error.value.problem == (
        "org/Tiny-Llama cannot be had: http://127.0.0.1:9 does not answer (Connection refused)"
    )
    assert "a build whose models are in the cache needs no network" in (error.value.hint or "")


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_kept(
    server: HubServer, hub: Hub, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "main")
    assert error.value.problem == (
        f"org/Tiny-Llama is not in the cache, and {name} forbids to ask the hub for it"
    )
    assert server.requests == []


@pytest.mark.parametrize(
    ("changes", "problem", "hint"),
    [
        (
            {"tokenizer.json": None},
            "the model has no tokenizer.json, the file that turns text into tokens",
            "as transformers loads it",
        ),
        ({WEIGHTS: None}, "the weights are pickled (pytorch_model.bin", 'revision: "refs/pr/1"'),
        (
            {WEIGHTS: None, "pytorch_model.bin": None, "training_args.bin": None,
             "consolidated.safetensors": None, "tf_model.h5": None},
            "the model holds GGUF weights only",
            "Name the repository they were made from",
        ),
        (
            {WEIGHTS: None, "adapter_model.safetensors": b""},
            "the model holds an adapter only",
            "merge_and_unload",
        ),
        ({"config.json": None}, "the model has no config.json", "as transformers loads it"),
    ],
    ids=["tokenizer", "pickled", "gguf", "adapter", "config"],
)  # fmt: skip
def test_a_repository_that_is_no_whole_model(
    server: HubServer,
    hub: Hub,
    folder: Path,
    changes: dict[str, bytes | None],
    problem: str,
    hint: str,
) -> None:
    server.push(ID, folder)
    files = server.repositories[ID].commits[server.repositories[ID].revisions["main"]]
    files.pop("consolidated.safetensors")
    for name, data in changes.items():
        files.pop(name, None)
        if data is not None:
            files[name] = data
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "main")
    assert error.value.problem.startswith("org/Tiny-Llama: ") and problem in error.value.problem
    assert hint in (error.value.hint or "")
    assert server.sent_bytes == 0


def test_a_server_that_is_no_hub(server: HubServer, hub: Hub) -> None:
    server.push(ID, Path(__file__).parents[1] / "families")
    server.repositories[ID].revisions["main"] = "../../../evil"
    server.repositories[ID].commits["../../../evil"] = dict.fromkeys(
        ["config.json", "tokenizer.json", WEIGHTS], b""
    )
    with pytest.raises(ModelError, match="describes org/Tiny-Llama in a way that cannot be right"):
        hub.resolve(ID, "main")


def without(part: str, key: str) -> Callable[[bytes], bytes]:
    """A change of the hub's description: `key` is gone from every `part` of the first file."""

    def change(body: bytes) -> bytes:
        answer = json.loads(body)
        for sibling in answer["siblings"]:
            (sibling.get(part) or sibling).pop(key, None)
        return json.dumps(answer).encode()

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda body: b"<html>Please log in.</html>", "it is not JSON"),
        (lambda body: b"", "it is not JSON"),
        (lambda body: b"[]", "must be a mapping"),
        (lambda body: b"[" * 100_000, "maximum recursion depth"),
        (lambda body: b'{"id": "a/b", "siblings": "x"}', "string indices"),
        (lambda body: body.replace(b'"sha":', b'"hash":'), "None is not what was expected"),
        (lambda body: body.replace(b'"size": ', b'"size": -'), "the size of"),
        (without("lfs", "sha256"), "it has no 'sha256'"),
        (without("", "rfilename"), "it has no 'rfilename'"),
        (without("", "blobId"), "the hash of LICENSE is None"),
    ],
)
def test_a_description_that_cannot_be_right(
    server: HubServer, hub: Hub, folder: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    server.push(ID, folder)
    server.faults = [Fault("revision/main", change=change)]
    with pytest.raises(ModelError) as error:
        hub.resolve(ID, "main")
    said = f"{server.url} describes {ID} in a way that cannot be right: "
    assert error.value.problem.startswith(said) and reason in error.value.problem
    assert error.value.hint == "Does HF_ENDPOINT name a hub?"


def test_an_endpoint_that_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"http://\[::1 does not answer"):
        Hub("http://[::1", tmp_path, waits=()).resolve(ID, "main")


# -- the cache of the hub ----------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_write_that_fails_says_where(
    server: HubServer, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    server.push(ID, folder)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from sitegen.models.source.hub import Hub\n"
        "hub = Hub(sys.argv[1], Path(sys.argv[2]))\n"
        "pin = hub.resolve('org/Tiny-Llama', 'main')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "hub.fetch(pin, ['model.safetensors'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, server.url, str(hub.cache)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert f"ModelError: {hub.cache}: the cache of the hub cannot be used: " in done.stderr
    assert "Let HF_HOME name a folder that can be written." in done.stderr


def test_too_little_space_is_said_before_anything_is_fetched(server: HubServer, hub: Hub) -> None:
    server.push(ID, write_model(hub.cache.parent / "m"))
    pin = hub.resolve(ID, "main")
    files = tuple(replace(f, bytes=1 << 60) if f.name == WEIGHTS else f for f in pin.files)
    with pytest.raises(ModelError, match=r"needs \d+ MiB in the cache of the hub, where \d+ MiB"):
        hub.fetch(Pin(pin.id, pin.revision, pin.commit, files), [WEIGHTS])
    assert server.sent_bytes == 0


def test_a_blob_that_is_there_needs_no_space(server: HubServer, hub: Hub, folder: Path) -> None:
    """As when another commit has the same weights: only the link is missing."""
    server.push(ID, folder)
    path = everything(hub)[WEIGHTS]
    blob = path.resolve()
    size = shutil.disk_usage(blob).free + 1
    with blob.open("r+b") as file:
        file.truncate(size)  # a hole: it takes no space
    hub._require_space(hub.resolve(ID, "main"), [PinnedFile(WEIGHTS, size, blob.name)])


def test_a_name_is_given_while_others_give_it(server: HubServer, hub: Hub, folder: Path) -> None:
    """Two builds link the same blob at once: neither may take it from where the other finds it."""
    server.push(ID, folder)
    path = everything(hub)["config.json"]
    blob, failed = path.resolve(), list[BaseException]()

    def build() -> None:
        try:
            for _ in range(300):
                link(blob, path)
                path.read_bytes()
        except OSError as error:
            failed.append(error)

    builds = [threading.Thread(target=build) for _ in range(4)]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert not failed
    assert path.is_symlink() and path.resolve() == blob
    assert [other.name for other in path.parent.iterdir() if other.name.startswith(".")] == []


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HF_HOME": "~/models"},
        {"HF_HOME": "$HOME/models", "HF_HUB_CACHE": "/srv/hub"},
        {"XDG_CACHE_HOME": "/srv/cache"},
        {"HUGGINGFACE_HUB_CACHE": "/srv/old"},
    ],
)
def test_the_cache_is_where_the_library_has_it(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    program = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    theirs = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True
    )
    assert str(cache_folder()) == theirs.stdout.strip()
