"""What is in the cache: listed, verified, pruned; never under a build that reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_models import write_model

from sitegen.config import ModelSpec
from sitegen.errors import ModelError
from sitegen.models import Cache, key_of, prepare
from sitegen.models.exports import drop, listed, prune, verify
from sitegen.progress import silent

NOW = 2_000_000_000.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with two models, one of them exported twice."""
    root = tmp_path_factory.mktemp("site")
    for seed, name in enumerate(("a", "b")):
        write_model(root / name, seed=seed)
    for spec in (ModelSpec(id="./a"), ModelSpec(id="./a", context=32), ModelSpec(id="./b")):
        prepare(spec, root=root, cache=root / "cache")
    return root


@pytest.fixture
def root(exported: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of that site whose files may be damaged."""
    import shutil

    shutil.copytree(exported, tmp_path / "site")
    yield tmp_path / "site"


@pytest.fixture
def cache(root: Path) -> Cache:
    return Cache(root / "cache")


def key(root: Path, **spec: object) -> str:
    found = key_of(ModelSpec.model_validate(spec), root=root, cache=root / "cache")
    assert found is not None
    return found


def on_disk(cache: Cache) -> int:
    return sum(path.stat().st_size for path in cache.files.iterdir())


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_every_export_is_listed(cache: Cache) -> None:
    titles = [export.title for export in listed(cache)]
    assert sorted(titles) == [
        "./a, q4, context 32",
        "./a, q4, context 512",
        "./b, q4, context 512",
    ]
    assert titles[2].startswith("./b")
    files = {sha256 for export in listed(cache) for sha256 in export.files}
    assert files == {path.stem for path in cache.files.iterdir()}


def test_of_one_model_the_export_last_used_comes_first(root: Path, cache: Cache) -> None:
    short, long = key(root, id="./a", context=32), key(root, id="./a")
    for newer, older in ((short, long), (long, short)):
        for used, each in ((200, newer), (100, older)):
            os.utime(root / "cache" / "models" / f"{each}.json", (used, used))
        assert [export.key for export in listed(cache)][:2] == [newer, older]


def test_loading_is_using(root: Path, cache: Cache) -> None:
    wanted = key(root, id="./b")
    os.utime(root / "cache" / "models" / f"{wanted}.json", (1, 1))
    assert cache.last_used(wanted) == 1
    prepare(ModelSpec(id="./b"), root=root, cache=root / "cache")
    assert time.time() - cache.last_used(wanted) < 3600


def test_pruning_keeps_what_is_named_and_the_files_it_shares(root: Path, cache: Cache) -> None:
    before, kept = on_disk(cache), key(root, id="./a")
    gone, freed = prune(cache, {kept}, NOW)
    assert {export.title for export in gone} == {"./a, q4, context 32", "./b, q4, context 512"}
    assert cache.keys() == [kept]
    assert freed == before - on_disk(cache) > 0
    said: list[str] = []
    prepare(ModelSpec(id="./a"), root=root, cache=root / "cache", progress=said.append)
    assert said == []


def test_pruning_by_age(root: Path, cache: Cache) -> None:
    old = key(root, id="./b")
    os.utime(root / "cache" / "models" / f"{old}.json", (NOW - 10, NOW - 10))
    for export in listed(cache):
        if export.key != old:
            os.utime(root / "cache" / "models" / f"{export.key}.json", (NOW, NOW))
    assert [export.key for export in prune(cache, (), NOW - 5)[0]] == [old]


def test_pretending_deletes_nothing_and_counts_the_same(root: Path, cache: Cache) -> None:
    files = sorted((root / "cache").rglob("*"))
    pretended = prune(cache, (), NOW, pretend=True)
    assert sorted({*files, root / "cache" / "lock"}) == sorted((root / "cache").rglob("*"))
    assert prune(cache, (), NOW) == pretended
    assert list(cache.files.iterdir()) == []


def test_what_nothing_needs_goes_in_any_case(root: Path, cache: Cache) -> None:
    (cache.files / f"{'0' * 64}.bin").write_bytes(b"a build was killed here")
    (root / "cache" / "models" / f"{'1' * 64}.json").write_text("{")
    staging = root / "cache" / "staging" / "killed"
    staging.mkdir(parents=True, exist_ok=True)
    (staging / "part").write_bytes(b"...")
    keep = {export.key for export in listed(cache)}
    assert prune(cache, keep, NOW) == ([], len(b"a build was killed here") + 3)
    assert set(cache.keys()) == keep
    assert not staging.exists()


@pytest.fixture
def interrupted(root: Path) -> Path:
    """The staging folder of an export that was interrupted when half of it was written."""

    def interrupt(sentence: str) -> None:
        if "verifying" in sentence:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(
            ModelSpec(id="./b", context=48), root=root, cache=root / "cache", progress=interrupt
        )
    [folder] = (root / "cache" / "staging").iterdir()
    return folder


def test_an_interrupted_export_is_no_export(cache: Cache, interrupted: Path) -> None:
    assert len(listed(cache)) == 3
    for export in listed(cache):
        assert not verify(export, cache, silent).damaged
    assert interrupted.is_dir(), "the next build goes on with it"


def test_an_interrupted_export_is_pruned(root: Path, cache: Cache, interrupted: Path) -> None:
    (interrupted.parent / ".DS_Store").write_bytes(b"a file viewer was here")
    size = sum(path.stat().st_size for path in interrupted.parent.rglob("*") if path.is_file())
    keep = {export.key for export in listed(cache)}
    assert prune(cache, keep, NOW, pretend=True) == ([], size)
    assert interrupted.is_dir()
    assert prune(cache, keep, NOW) == ([], size)
    assert list(interrupted.parent.iterdir()) == []
    prepare(ModelSpec(id="./b", context=48), root=root, cache=root / "cache")
    assert len(listed(cache)) == 4


def test_an_export_without_what_is_shown_of_it_is_not_listed_and_goes(cache: Cache) -> None:
    entry = {"manifest": {"version": 0}, "files": {}, "packages": {}}
    (cache.folder / "models" / f"{'1' * 64}.json").write_text(json.dumps(entry))
    assert len(listed(cache)) == 3
    keep = {export.key for export in listed(cache)}
    assert prune(cache, keep, NOW) == ([], 0)
    assert set(cache.keys()) == keep


def test_nothing_is_deleted_under_a_build(root: Path, cache: Cache) -> None:
    program = (
        "import sys; from pathlib import Path; from sitegen.models import Cache\n"
        "with Cache(Path(sys.argv[1])).reading():\n"
        "    print('reading', flush=True); sys.stdin.read()\n"
    )
    before = on_disk(cache)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(root / "cache")],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as build:
        assert build.stdout is not None
        build.stdout.readline()
        with pytest.raises(ModelError) as error:
            prune(cache, (), NOW)
        assert error.value.problem == "a build is using the cache"
        assert on_disk(cache) == before
        with cache.reading():  # builds do not wait for each other
            pass
        build.kill()
    prune(cache, (), NOW)
    assert on_disk(cache) == 0


def test_a_whole_export_is_verified(root: Path, cache: Cache) -> None:
    said: list[str] = []
    for export in listed(cache):
        assert verify(export, cache, said.append) == (
            False,
            "whole, and every variant answers as it did",
        )
    assert said[:4] == ["hashing", "checking webgpu-f16", "checking webgpu-f32", "checking wasm"]
    assert list((root / "cache" / "staging").iterdir()) == []


def test_a_damaged_file_is_found_and_made_again(root: Path, cache: Cache) -> None:
    export = next(e for e in listed(cache) if e.manifest["id"] == "./b")
    shard = export.manifest["variants"][0]["weights"]["shards"][0]["sha256"]
    flip(cache.path(shard))
    assert verify(export, cache, silent) == (True, f"{shard}.bin is not what it was")
    drop([export], cache)
    assert export.key not in cache.keys()
    prepare(ModelSpec(id="./b"), root=root, cache=root / "cache")
    [again] = [e for e in listed(cache) if e.key == export.key]
    assert again.files == export.files
    assert not verify(again, cache, silent).damaged


def test_whole_files_that_another_export_shares_stay(root: Path, cache: Cache) -> None:
    short, long = (
        next(e for e in listed(cache) if e.key == key(root, id="./a", **spec))
        for spec in ({"context": 32}, {})
    )
    assert short.files.keys() & long.files.keys()
    flip(cache.path(next(iter(long.files.keys() - short.files.keys()))))
    drop([long], cache)
    assert long.key not in cache.keys()
    assert all(cache.path(sha256).exists() for sha256 in short.files)


def test_a_missing_file_is_found(cache: Cache) -> None:
    export = listed(cache)[0]
    path = cache.path(next(iter(export.files)))
    path.unlink()
    assert verify(export, cache, silent) == (
        True,
        f"{path.name} cannot be read: No such file or directory",
    )
    drop([export], cache)


def test_other_answers_are_found(root: Path, cache: Cache) -> None:
    export = next(e for e in listed(cache) if e.manifest["id"] == "./b")
    check = export.manifest["variants"][2]["self_check"]
    check["next_ids"] = [(check["next_ids"][0] + 1) % 512]
    assert verify(export, cache, silent) == (
        True,
        "wasm does not give the tokens of its self-check",
    )


def test_an_export_of_another_version_is_only_hashed(cache: Cache) -> None:
    export = listed(cache)[0]
    export.manifest["version"] = 99  # type: ignore[index]
    assert verify(export, cache, silent) == (
        False,
        "whole; only the sitegen that made it can repeat its self-checks",
    )
