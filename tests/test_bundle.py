"""What lands under `_sitegen/`, from a tiny engine and tiny models."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import sitegen.models
from sitegen import bundle, vendor
from sitegen.bundle import Bundle
from sitegen.errors import ModelError
from sitegen.models import Model
from sitegen.vendor import File, Package

SCHEMA = json.loads(
    (Path(sitegen.models.__file__).parent / "manifest.schema.json").read_text(encoding="utf-8")
)
OWN = {
    "sitegen.js": b"export {};\n",
    "service-worker.js": b"self;\n",
    "elements/elements.js": b"import '../sitegen.js';\n",
    "elements/elements.css": b"sitegen-chat { display: block }\n",
}
ORT = {
    f"onnxruntime-web/{name}": name.encode() * 100
    for _, (glue, *others) in bundle.BUILDS.values()
    for name in (f"{glue}.wasm", *(f"{stem}.js" for stem in (glue, *others)))
}
OTHER = {"tokenizers/tokenizers.js": b"export class Tokenizer {}\n"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Engine:
    """A runtime folder with its pinned packages, and a cache."""

    def __init__(self, folder: Path) -> None:
        self.runtime = folder / "runtime"
        self.cache = folder / "cache"
        self.said: list[str] = []
        for name, content in OWN.items():
            self.write(name, content)
        for place, content in (ORT | OTHER).items():
            self.write(f"vendor/{place}", content)
        self.packages = [self.pin("onnxruntime-web", "9.8.7", ORT), self.pin("t", "1.0.0", OTHER)]

    def write(self, name: str, content: bytes) -> None:
        path = self.runtime / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    @staticmethod
    def pin(name: str, version: str, files: dict[str, bytes]) -> Package:
        kept = tuple(File(f"dist/{p}", p, len(c), sha256(c)) for p, c in files.items())
        return Package(name, version, "sha512-", "MIT", ("jinja.txt",), kept)

    def collect(self, **models: Model) -> Bundle:
        return bundle.collect(
            models,
            cache=self.cache,
            site_id="0123456789ab",
            runtime=self.runtime,
            packages=self.packages,
            progress=self.said.append,
        )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def model(
    folder: Path,
    *,
    backends: Sequence[Sequence[str]] = (("webgpu",), ("wasm",)),
    weights: bytes = b"weights",
) -> Model:
    """A valid manifest, one variant for each entry of `backends`, its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}

    def keep(content: bytes) -> dict[str, Any]:
        digest = sha256(content)
        files[digest] = folder / digest
        files[digest].write_bytes(content)
        return {"path": f"files/{digest}.bin", "bytes": len(content), "sha256": digest}

    names = ["webgpu-f32" if "webgpu" in each else "wasm" for each in backends]
    manifest: dict[str, Any] = {
        "version": 3,
        "id": "./tiny",
        "revision": None,
        "title": "Tiny",
        "architecture": "llama",
        "parameters": 7,
        "licence": {"id": "mit", "file": keep(b"MIT"), "card": None},
        "quantization": "q4",
        "context_length": 64,
        "short_context": None,
        "vocab_size": 10,
        "cache": [{"kind": "attention", "heads": 1, "head_dim": 4}],
        "tokenizer": {
            "file": keep(b"{}"),
            "config": None,
            "chat_template": None,
            "bos_token": None,
            "eos_token": "</s>",
            "eos_token_ids": [2],
        },
        "generation": {"temperature": 0.5},
        "variants": [
            {
                "name": name,
                "backends": list(each),
                "features": [],
                "dtype": "float32",
                "cache_in_place": True,
                "graph": keep(f"graph of {name}".encode()),
                "weights": {"name": "weights", "bytes": len(weights), "shards": [keep(weights)]},
                "bytes": 1000 + len(name),
                "self_check": {"prompt_ids": [1], "next_ids": [2], "tolerance": 0.01},
                "quality": {
                    "positions": 9,
                    "bits_per_weight": 4.5,
                    "agreement": 0.9,
                    "kl": 0.01,
                    "perplexity_ratio": 1.01,
                },
            }
            for name, each in zip(names, backends, strict=True)
        ],
    }
    jsonschema.validate(manifest, SCHEMA)
    return Model(manifest=manifest, files=files)


def content(found: Bundle, path: str) -> bytes:
    value = found.files[f"_sitegen/{path}"]
    return value if isinstance(value, bytes) else value.read_bytes()


def paths(found: Bundle, start: str = "") -> set[str]:
    return {
        path.removeprefix("_sitegen/")
        for path in found.files
        if path.startswith(f"_sitegen/{start}")
    }


def test_a_site_without_models_has_the_engine_s_own_files_and_needs_no_package(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm
    for path in (engine.runtime / "vendor").rglob("*.*"):
        path.unlink()
    found = engine.collect()
    folder = f"engine/{found.engine_hash}/"
    assert paths(found) == {folder + name for name in OWN} | {"sitegen.js", "models.json"}
    assert found.index["models"] == []
    assert found.index["engine"]["builds"] == {}
    assert found.shell == ()


def test_own_files_are_carried_byte_for_byte(engine: Engine) -> None:
    crlf = b"\r\n// \xc3\xa9 \xff\r\n"
    engine.write("odd.js", crlf)
    found = engine.collect()
    assert content(found, f"engine/{found.engine_hash}/odd.js") == crlf


def test_only_modules_and_styles_are_carried(engine: Engine) -> None:
    for name in ("types.d.ts", "notes.md", ".vendor-x/files/left.js", "jsconfig.json"):
        engine.write(name, b"x")
    found = engine.collect()
    names = paths(found, "engine/")
    assert names == {f"engine/{found.engine_hash}/{name}" for name in OWN}


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        ([["wasm"]], {"wasm"}),
        ([["webgpu"]], {"jspi", "asyncify"}),
        ([["webgpu"], ["wasm"]], {"wasm", "jspi", "asyncify"}),
        ([["webgpu", "wasm"]], {"wasm", "jspi", "asyncify"}),
    ],
)
def test_only_the_builds_the_models_can_run_on_are_carried(
    engine: Engine, tmp_path: Path, backends: list[list[str]], expected: set[str]
) -> None:
    found = engine.collect(tiny=model(tmp_path / "m", backends=backends))
    builds = found.index["engine"]["builds"]
    assert set(builds) == expected
    used = {module for build in builds.values() for module in build["modules"]}
    folder = f"engine/{found.engine_hash}/vendor/"
    assert paths(found, folder) == used | {f"{folder}tokenizers/tokenizers.js"}
    assert found.index["engine"]["onnxruntime_web"] == "9.8.7"


def test_the_wasm_build_is_the_plain_one(engine: Engine, tmp_path: Path) -> None:
    found = engine.collect(tiny=model(tmp_path / "m", backends=[["wasm"]]))
    folder = f"engine/{found.engine_hash}/vendor/onnxruntime-web/"
    build = found.index["engine"]["builds"]["wasm"]
    assert build["modules"] == [folder + "ort-wasm-simd-threaded.js"]
    binary = build["binary"]
    plain = ORT["onnxruntime-web/ort-wasm-simd-threaded.wasm"]
    packed = content(found, binary["path"])
    assert gzip.decompress(packed) == plain
    assert binary == {
        "path": f"files/{sha256(packed)}.bin",
        "bytes": len(packed),
        "sha256": sha256(packed),
        "encoding": "gzip",
        "decoded_bytes": len(plain),
    }


def test_a_binary_is_compressed_once_and_the_same_everywhere(
    engine: Engine, tmp_path: Path
) -> None:
    tiny = model(tmp_path / "m", backends=[["wasm"]])
    first = engine.collect(tiny=tiny).index["engine"]["builds"]["wasm"]["binary"]
    assert engine.said == ["compressing ort-wasm-simd-threaded.wasm, once"]
    (kept,) = (engine.cache / "engine").iterdir()
    before = kept.stat()
    engine.collect(tiny=tiny)
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert len(engine.said) == 1
    engine.cache = tmp_path / "another cache"
    assert engine.collect(tiny=tiny).index["engine"]["builds"]["wasm"]["binary"] == first


def test_a_damaged_compressed_binary_is_made_again(engine: Engine, tmp_path: Path) -> None:
    tiny = model(tmp_path / "m", backends=[["wasm"]])
    first = engine.collect(tiny=tiny)
    (kept,) = (engine.cache / "engine").iterdir()
    kept.write_bytes(b"damaged")
    again = engine.collect(tiny=tiny)
    assert again.index == first.index
    binary = again.index["engine"]["builds"]["wasm"]["binary"]
    assert sha256(content(again, binary["path"])) == binary["sha256"]


def test_every_reference_of_the_index_and_the_manifest_holds(
    engine: Engine, tmp_path: Path
) -> None:
    found = engine.collect(tiny=model(tmp_path / "m"), other=model(tmp_path / "o", weights=b"w2"))
    index = json.loads(content(found, "models.json"))
    assert index == found.index
    assert [entry["name"] for entry in index["models"]] == ["tiny", "other"]
    references = [build["binary"] for build in index["engine"]["builds"].values()]
    for entry in index["models"]:
        manifest = json.loads(content(found, entry["manifest"]["path"]))
        assert entry["title"] == manifest["title"]
        assert entry["licence"] == manifest["licence"]["id"]
        assert entry["bytes"] == {v["name"]: v["bytes"] for v in manifest["variants"]}
        references += [entry["manifest"], manifest["licence"]["file"]]
        references += [manifest["tokenizer"]["file"]]
        for variant in manifest["variants"]:
            references += [variant["graph"], *variant["weights"]["shards"]]
    for reference in references:
        served = content(found, reference["path"])
        assert len(served) == reference["bytes"]
        assert sha256(served) == reference["sha256"]
    named = {reference["path"] for reference in references}
    assert paths(found, "files/") | paths(found, "models/") == named


def test_equal_shards_of_two_models_are_carried_once(engine: Engine, tmp_path: Path) -> None:
    one, two = model(tmp_path / "1", weights=b"same"), model(tmp_path / "2", weights=b"same")
    alone = paths(engine.collect(one=one), "files/")
    assert paths(engine.collect(one=one, two=two), "files/") == alone


def test_the_manifest_s_address_changes_with_its_content(engine: Engine, tmp_path: Path) -> None:
    def address(weights: bytes) -> str:
        tiny = model(tmp_path / weights.decode(), weights=weights)
        return engine.collect(tiny=tiny).index["models"][0]["manifest"]["path"]

    assert re.fullmatch(r"models/tiny\.[0-9a-f]{12}\.json", address(b"a"))
    assert address(b"a") != address(b"b")


def test_the_stable_address_leads_to_the_engine(engine: Engine) -> None:
    found = engine.collect()
    target = f'export * from "./engine/{found.engine_hash}/sitegen.js";'
    assert target in content(found, "sitegen.js").decode()


def test_the_engine_hash_follows_names_bytes_and_pinned_packages(
    engine: Engine, tmp_path: Path
) -> None:
    hashes = [engine.collect().engine_hash]
    engine.write("sitegen.js", b"export { };\n")
    hashes.append(engine.collect().engine_hash)
    (engine.runtime / "service-worker.js").rename(engine.runtime / "worker.js")
    hashes.append(engine.collect().engine_hash)
    engine.packages[1] = Engine.pin("t", "1.0.1", {"tokenizers/tokenizers.js": b"other"})
    hashes.append(engine.collect().engine_hash)
    assert len(set(hashes)) == 4
    assert all(re.fullmatch("[0-9a-f]{12}", each) for each in hashes)


def test_the_engine_hash_is_the_same_with_and_without_models(
    engine: Engine, tmp_path: Path
) -> None:
    with_model = engine.collect(tiny=model(tmp_path / "m"))
    assert with_model.engine_hash == engine.collect().engine_hash


def test_the_shell_holds_nothing_large(engine: Engine, tmp_path: Path) -> None:
    found = engine.collect(tiny=model(tmp_path / "m"))
    folder = f"_sitegen/engine/{found.engine_hash}/"
    expected = {folder + name for name in OWN} | {"_sitegen/sitegen.js", "_sitegen/models.json"}
    assert set(found.shell) == expected
    assert set(found.shell) <= set(found.files)


def test_a_site_with_models_carries_the_terms(engine: Engine, tmp_path: Path) -> None:
    text = content(engine.collect(tiny=model(tmp_path / "m")), "third-party.txt").decode()
    assert "onnxruntime-web 9.8.7 (MIT)" in text
    assert "THE SOFTWARE IS PROVIDED" in text


@pytest.mark.parametrize(("damage", "said"), [(None, "is missing"), (b"cut", "is 3 bytes long")])
def test_a_damaged_cached_model_file_is_named(
    engine: Engine, tmp_path: Path, damage: bytes | None, said: str
) -> None:
    tiny = model(tmp_path / "m")
    shard = tiny.files[sha256(b"weights")]
    if damage is None:
        shard.unlink()
    else:
        shard.write_bytes(damage)
    with pytest.raises(ModelError) as caught:
        engine.collect(tiny=tiny)
    assert str(caught.value) == (
        f'{shard}: a cached file of the model "tiny" {said}; its manifest says 7 bytes.\n'
        f"  Delete the folder {tmp_path / 'm'} and build again."
    )


# -- the real engine ---------------------------------------------------------------------------

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*|new URL\(\s*)["'](\.{1,2}/[^"']+\.js)["']""")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Bundle:
    tiny = model(tmp_path_factory.mktemp("real"))
    return bundle.collect({"tiny": tiny}, cache=cache, site_id="0" * 12)


def test_every_import_of_the_real_engine_leads_to_a_carried_file(real: Bundle) -> None:
    folder = f"engine/{real.engine_hash}/"
    missing = []
    for path in paths(real, folder):
        if path.endswith(".js") and "/vendor/" not in path:
            for target in IMPORT.findall(COMMENT.sub("", content(real, path).decode())):
                reached = (Path("/") / path).parent.joinpath(target).resolve()
                if str(reached)[1:] not in paths(real):
                    missing.append((path, target))
    assert missing == []


def test_the_real_engine_has_what_pages_refer_to(real: Bundle) -> None:
    names = {path.removeprefix(f"engine/{real.engine_hash}/") for path in paths(real, "engine/")}
    assert {"sitegen.js", "service-worker.js", "elements/elements.js"} <= names
    assert {"vendor/tokenizers/tokenizers.js", "vendor/jinja/jinja.js"} <= names


def test_every_real_file_passes_the_hosts_limits(real: Bundle) -> None:
    sizes = {
        path: len(value) if isinstance(value, bytes) else value.stat().st_size
        for path, value in real.files.items()
    }
    assert max(sizes.values()) <= 24 << 20
    assert not any(path.endswith((".mjs", ".wasm", ".gz")) for path in sizes)


def test_the_real_binaries_are_the_pinned_ones(real: Bundle) -> None:
    pinned = {file.sha256 for package in vendor.read_lock() for file in package.files}
    for build in real.index["engine"]["builds"].values():
        decoded = gzip.decompress(content(real, build["binary"]["path"]))
        assert sha256(decoded) in pinned
        assert len(decoded) == build["binary"]["decoded_bytes"]
