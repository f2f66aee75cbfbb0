"""The cache: nothing heavy on a hit, nothing half-written, nothing damaged returned."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tiny_models import write_model

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models import Model, prepare
from sitegen.models.cache import Cache
from sitegen.models.samples import Samples
from sitegen.models.source import Source
from sitegen.models.source.lock import Pin, PinnedFile
from sitegen.models.staging import ABANDONED_S, CAN_LOCK
from sitegen.texts import Texts

PREPARE = """
import sys
from pathlib import Path
from sitegen.config import ModelSpec
from sitegen.models import prepare
root = Path(sys.argv[1])
model = prepare(ModelSpec(id="./m"), root=root, cache=root / "cache")
heavy = {"numpy", "onnx", "onnxruntime", "tokenizers", "jinja2", "yaml"}
print(*sorted(heavy & sys.modules.keys()), sep=",")
print(*sorted(model.files), sep=",")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A site whose model was written an hour ago: digests of newer files are not remembered."""
    hour_ago = time.time() - 3600
    for path in write_model(tmp_path / "m").iterdir():
        os.utime(path, (hour_ago, hour_ago))
    return tmp_path


def ready(root: Path, said: list[str] | None = None, **spec: object) -> Model:
    return prepare(
        ModelSpec.model_validate({"id": "./m", **spec}),
        root=root,
        cache=root / "cache",
        progress=None if said is None else said.append,
    )


def start(root: Path, limit: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", limit + PREPARE, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_a_hit_imports_nothing_heavy(root: Path) -> None:
    ready(root)
    out, errors = start(root).communicate()
    assert errors == ""
    assert out.splitlines()[0] == ""


def test_a_hit_is_the_same_model(root: Path) -> None:
    first, said = ready(root), list[str]()
    second = ready(root, said)
    assert said == []
    assert json.dumps(first.manifest) == json.dumps(second.manifest)
    assert first.files == second.files


def test_an_export_is_the_same_bytes_every_time(root: Path) -> None:
    one = prepare(ModelSpec(id="./m"), root=root, cache=root / "one")
    two = prepare(ModelSpec(id="./m"), root=root, cache=root / "two")
    assert json.dumps(one.manifest) == json.dumps(two.manifest)


def test_what_makes_another_export(root: Path) -> None:
    keys = [ready(root).manifest, ready(root, context=32).manifest]
    keys.append(ready(root, quantization="fp32").manifest)
    (root / "m" / "README.md").write_text("Another card.\n")
    keys.append(ready(root).manifest)
    assert len({json.dumps(key) for key in keys}) == 4
    assert len(list((root / "cache" / "models").iterdir())) == 4


def test_a_change_of_the_same_size_is_noticed(root: Path) -> None:
    ready(root)
    path = root / "m" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-2] ^= 0x40
    path.write_bytes(data)
    said: list[str] = []
    ready(root, said)
    assert said


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_damaged_file_is_made_again(root: Path, damage: str) -> None:
    model = ready(root)
    shard = model.manifest["variants"][0]["weights"]["shards"][0]
    path = model.files[shard["sha256"]]
    if damage == "remove":
        path.unlink()
    else:
        os.truncate(path, 100)
    said: list[str] = []
    assert ready(root, said).manifest == model.manifest
    assert said
    assert path.stat().st_size == shard["bytes"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": {}}', '{"files": {"a": 1}}', '{"manifest": {}}']
)
def test_a_damaged_entry_is_made_again(root: Path, text: str) -> None:
    model = ready(root)
    [entry] = (root / "cache" / "models").iterdir()
    entry.write_text(text)
    assert ready(root).manifest == model.manifest


def test_the_key_tells_commits_and_texts_apart(tmp_path: Path) -> None:
    """Also where both have the same files: the manifest names the commit."""
    cache, spec = Cache(tmp_path), ModelSpec(id="org/name")
    files = (PinnedFile("config.json", 1, "0" * 40),)
    one, other = (
        Source("org/name", tmp_path, {"config.json": tmp_path / "config.json"}, {}, None, pin)
        for pin in (Pin("org/name", "main", letter * 40, files) for letter in "ab")
    )
    said = [Samples(), Samples(calibration=Texts(("a",))), Samples(calibration=Texts(("b",)))]
    keys = [cache.key(source, spec, samples) for source in (one, other) for samples in said]
    assert len(set(keys)) == len(keys)
    assert cache.key(one, spec) == keys[0]


def test_an_export_belongs_to_the_packages_it_was_made_with(tmp_path: Path) -> None:
    """One that is gone takes no export with it."""
    cache, installed = Cache(tmp_path), importlib.metadata.version("numpy")
    for packages, is_kept in (
        ({}, True),
        ({"numpy": installed}, True),
        ({"numpy": installed, "pillow-of-nobody": "1.0"}, True),
        ({"pillow-of-nobody": "1.0", "numpy": "0.1"}, False),
    ):
        cache.store("key", {}, [], packages)
        assert (cache.load("key") is not None) == is_kept


def test_damaged_digests_are_made_again(root: Path) -> None:
    model = ready(root)
    (root / "cache" / "digests.json").write_text("[" * 100_000)
    said: list[str] = []
    assert ready(root, said).manifest == model.manifest
    assert said == []


def test_two_builds_at_once(root: Path) -> None:
    builds = [start(root) for _ in range(2)]
    results = [build.communicate() for build in builds]
    assert [errors for _, errors in results] == ["", ""]
    files = {out.splitlines()[1] for out, _ in results}
    assert len(files) == 1
    assert list((root / "cache" / "staging").iterdir()) == []
    said: list[str] = []
    ready(root, said)
    assert said == []


@pytest.mark.skipif(not CAN_LOCK, reason="there, two builds export the same model twice")
def test_waiting_for_another_build_is_said_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sitegen.models import Cache\n"
        "with Cache(Path(sys.argv[1])).staging('key') as folder:\n"
        "    (folder / 'theirs').touch(); print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        other.stdout.readline()
        said: list[str] = []

        def say(sentence: str) -> None:
            said.append(sentence)
            other.stdin.close()  # type: ignore[union-attr]

        with Cache(tmp_path).staging("key", say) as folder:
            assert list(folder.iterdir()) == []
    assert said == ["waiting for another build that is exporting it"]


@pytest.mark.skipif(not CAN_LOCK, reason="there, the folder has another name every time")
def test_a_folder_that_comes_and_goes_under_who_wants_it(tmp_path: Path) -> None:
    """A build that ends deletes the folder between any two steps of the next one."""
    cache, failed = Cache(tmp_path), list[BaseException]()

    def work() -> None:
        try:
            for _ in range(200):
                with cache.staging("key") as folder:
                    (folder / "mine").touch(exist_ok=False)
        except (ModelError, OSError) as error:
            failed.append(error)

    builds = [threading.Thread(target=work) for _ in range(4)]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert not failed


@pytest.mark.skipif(not CAN_LOCK, reason="there, the folder has another name every time")
def test_an_export_that_goes_on_is_not_taken_for_abandoned(tmp_path: Path) -> None:
    cache, long_ago = Cache(tmp_path), time.time() - ABANDONED_S + 5
    (tmp_path / "staging" / "key").mkdir(parents=True)
    os.utime(tmp_path / "staging" / "key", (long_ago, long_ago))
    with cache.staging("key") as folder:
        assert time.time() - folder.stat().st_mtime < 3600


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ModelError) as error, cache.staging() as folder:
        (folder / "half").write_bytes(b"...")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "half"))
    assert error.value.problem == "the disk is full"
    assert "SITEGEN_CACHE" in (error.value.hint or "")
    assert list((tmp_path / "staging").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_write_that_fails_leaves_nothing(root: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    _, errors = start(root, limit).communicate()
    assert "ModelError" in errors and "the cache cannot be used: " in errors
    assert not list((root / "cache").glob("files/*"))
    assert not list((root / "cache").glob("models/*"))
    assert not list((root / "cache").glob("staging/*"))


def test_a_source_file_that_goes_away_is_not_the_caches_fault(root: Path) -> None:
    (root / "m").rename(root / "cache-m")

    def remove_card(sentence: str) -> None:
        if "verifying wasm" in sentence:
            (root / "cache-m" / "README.md").unlink()

    with pytest.raises(ModelError) as error:
        prepare(ModelSpec(id="./cache-m"), root=root, cache=root / "cache", progress=remove_card)
    assert str(error.value) == (
        f"{root / 'cache-m' / 'README.md'}: cannot be read: No such file or directory"
    )


def test_an_error_of_whoever_is_told_is_not_the_caches_fault(root: Path) -> None:
    def closed(sentence: str) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        prepare(ModelSpec(id="./m"), root=root, cache=root / "cache", progress=closed)
    assert list((root / "cache" / "staging").iterdir()) == []


def test_a_cache_that_is_a_file(root: Path) -> None:
    (root / "cache").write_text("")
    with pytest.raises(ModelError, match="the cache cannot be used"):
        ready(root)


def test_what_a_killed_build_left_is_cleared(root: Path) -> None:
    old, young = (root / "cache" / "staging" / name for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    (old / "part").write_bytes(b"...")
    long_ago = time.time() - ABANDONED_S - 60
    os.utime(old, (long_ago, long_ago))
    ready(root)
    assert not old.exists()
    assert young.exists()
