"""Everything under `_sitegen/`: the browser engine, the models, and the index that names them.

    _sitegen/sitegen.js                 stable address of the engine for a page's own script
    _sitegen/models.json                ModelsIndex: what the engine reads first
    _sitegen/third-party.txt            terms of the packages the site carries
    _sitegen/engine/<hash12>/           sitegen/runtime/ and vendored modules, byte for byte
    _sitegen/models/<name>.<hash12>.json    model manifests
    _sitegen/files/<sha256>.bin         model files and gzipped engine binaries

It knows nothing of pages or themes. Nothing is written here: the values say what goes where.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from sitegen import vendor
from sitegen.digests import Digests, write_atomically
from sitegen.errors import ModelError

if TYPE_CHECKING:
    from sitegen.models import Model

RUNTIME = Path(__file__).parent / "runtime"
BASE = "_sitegen/"

ORT = "onnxruntime-web"
# onnxruntime-web's builds: backend that needs it, and the stems of its modules, the first of which
# is the binary's glue and names the binary too. On the CPU cpu-session.js stands in for its entry.
# JSPI is the smaller and faster one on a GPU; asyncify serves the browsers that lack JSPI.
BUILDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "wasm": ("wasm", ("ort-wasm-simd-threaded",)),
    "jspi": ("webgpu", ("ort-wasm-simd-threaded.jspi", "ort.jspi.min")),
    "asyncify": ("webgpu", ("ort-wasm-simd-threaded.asyncify", "ort.webgpu.min")),
}


class FileRef(TypedDict):
    """A file under `_sitegen/`: relative path, length, digest of its bytes as served."""

    path: str
    bytes: int
    sha256: str


class BinaryRef(FileRef):
    """An engine binary. Gzipped, because asyncify's 26.8 MB exceed some hosts' 25 MiB a file."""

    encoding: Literal["gzip"]
    decoded_bytes: int


class EngineBuild(TypedDict):
    """One build of onnxruntime-web: its modules, the binary's glue first, and the binary."""

    modules: list[str]
    binary: BinaryRef


class Engine(TypedDict):
    """The browser engine; `builds` has only what the site's models can run on."""

    hash: str
    onnxruntime_web: str
    builds: dict[str, EngineBuild]


class ModelEntry(TypedDict):
    """A model as the index lists it; `bytes`: variant → download without the engine."""

    name: str
    title: str
    licence: str | None
    manifest: FileRef
    bytes: dict[str, int]


class ModelsIndex(TypedDict):
    """`_sitegen/models.json`."""

    version: Literal[1]
    site: str
    engine: Engine
    models: list[ModelEntry]


@dataclass(frozen=True)
class Bundle:
    """What `_sitegen/` holds."""

    files: Mapping[str, Path | bytes]  # path in the output folder → content
    index: ModelsIndex
    engine_hash: str  # 12 hex digits
    shell: tuple[str, ...]  # what the service worker keeps from the first visit on; nothing large


def collect(
    models: Mapping[str, Model],
    *,
    cache: Path,
    site_id: str,
    runtime: Path = RUNTIME,
    packages: Sequence[vendor.Package] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Bundle:
    """Gather the engine and the models, by the name the site gives each.

    A site without models gets no vendored package, and needs none to be built.
    Raises VendorError, and ModelError when a cached model file is not as its manifest says.
    """
    pinned = vendor.read_lock() if packages is None else tuple(packages)
    own = _own_files(runtime)
    engine_hash = _engine_hash(own, pinned)
    engine = f"engine/{engine_hash}/"

    files: dict[str, Path | bytes] = {f"{BASE}{engine}{name}": own[name] for name in own}
    stable = f'// Stable address.\nexport * from "./{engine}sitegen.js";\n'
    files[f"{BASE}sitegen.js"] = stable.encode()

    builds: dict[str, EngineBuild] = {}
    entries: list[ModelEntry] = []
    if models:
        placed = vendor.ensure(cache, folder=runtime / "vendor", packages=pinned, progress=progress)
        names = _builds_for(models)
        for place in _modules(placed, names):
            files[f"{BASE}{engine}vendor/{place}"] = placed[place]
        digests = Digests(cache / "digests.json")
        for name in names:
            _, (glue, *_) = BUILDS[name]
            binary = placed[f"{ORT}/{glue}.wasm"]
            ref, path = _gzipped(binary, cache / "engine", digests, progress)
            files[BASE + ref["path"]] = path
            modules = [f"{engine}vendor/{place}" for place in _modules_of(name)]
            builds[name] = {"modules": modules, "binary": ref}
        digests.save()
        files[f"{BASE}third-party.txt"] = vendor.notices(pinned).encode()
        for name, model in models.items():
            entry, added = _model(name, model)
            entries.append(entry)
            files.update(added)

    index: ModelsIndex = {
        "version": 1,
        "site": site_id,
        "engine": {
            "hash": engine_hash,
            "onnxruntime_web": next(p.version for p in pinned if p.name == ORT),
            "builds": builds,
        },
        "models": entries,
    }
    files[f"{BASE}models.json"] = _json(index)
    shell = [f"{BASE}{engine}{name}" for name in own] if models else []
    shell += [f"{BASE}models.json", f"{BASE}sitegen.js"] if models else []
    return Bundle(files=files, index=index, engine_hash=engine_hash, shell=tuple(shell))


# -- engine ------------------------------------------------------------------------------------


def _own_files(runtime: Path) -> dict[str, bytes]:
    """sitegen's own modules and styles: path under runtime/ → bytes, in order of the path."""
    found = {}
    for path in runtime.rglob("*"):
        name = path.relative_to(runtime)
        if path.suffix in (".js", ".css") and name.parts[0] != "vendor" and name.parts[0][0] != ".":
            found[name.as_posix()] = path.read_bytes()
    return dict(sorted(found.items()))


def _engine_hash(own: Mapping[str, bytes], packages: Sequence[vendor.Package]) -> str:
    """Of every module's name and bytes, vendored ones by their pinned digest.

    The same whether or not a site needs all of them, so that one address has one content.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in own.items()}
    for package in packages:
        for file in package.files:
            digests[f"vendor/{file.place}"] = file.sha256
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def _builds_for(models: Mapping[str, Model]) -> list[str]:
    backends = {
        backend
        for model in models.values()
        for variant in model.manifest["variants"]
        for backend in variant["backends"]
    }
    return [name for name, (backend, _) in BUILDS.items() if backend in backends]


def _modules_of(build: str) -> list[str]:
    _, stems = BUILDS[build]
    return [f"{ORT}/{stem}.js" for stem in stems]


def _modules(placed: Mapping[str, Path], builds: Sequence[str]) -> list[str]:
    """Places of the vendored modules the site needs: all, less the unused builds'."""
    used = {place for build in builds for place in _modules_of(build)}
    return [
        place
        for place in placed
        if place.endswith(".js") and (place in used or not place.startswith(f"{ORT}/"))
    ]


def _gzipped(
    binary: Path, folder: Path, digests: Digests, progress: Callable[[str], None] | None
) -> tuple[BinaryRef, Path]:
    """The gzipped binary, kept in `folder` as <digest of the binary>-<digest of the gzip>.gz."""
    key = digests.of(binary)
    for path in folder.glob(f"{key}-*.gz"):
        sha256 = path.stem.removeprefix(f"{key}-")
        if digests.of(path) == sha256:
            break
    else:
        if progress is not None:
            progress(f"compressing {binary.name}, once")
        content = binary.read_bytes()
        # wbits 31: a gzip header without time and name, so the same bytes come out. Level 9 takes
        # 1.6 times as long and saves 0.4 %.
        deflate = zlib.compressobj(level=6, wbits=31)
        packed = deflate.compress(content) + deflate.flush()
        sha256 = hashlib.sha256(packed).hexdigest()
        path = folder / f"{key}-{sha256}.gz"
        write_atomically(path, packed)
    ref: BinaryRef = {
        "path": f"files/{sha256}.bin",
        "bytes": path.stat().st_size,
        "sha256": sha256,
        "encoding": "gzip",
        "decoded_bytes": binary.stat().st_size,
    }
    return ref, path


# -- models ------------------------------------------------------------------------------------


def _model(name: str, model: Model) -> tuple[ModelEntry, dict[str, Path | bytes]]:
    manifest = _json(model.manifest)
    sha256 = hashlib.sha256(manifest).hexdigest()
    ref: FileRef = {
        "path": f"models/{name}.{sha256[:12]}.json",
        "bytes": len(manifest),
        "sha256": sha256,
    }
    files: dict[str, Path | bytes] = {BASE + ref["path"]: manifest}
    for part in _file_refs(model.manifest):
        source = model.files[part["sha256"]]
        found = source.stat().st_size if source.exists() else None
        if found != part["bytes"]:
            seen = "missing" if found is None else f"{found} bytes long"
            raise ModelError(
                f'a cached file of the model "{name}" is {seen}; '
                f"its manifest says {part['bytes']} bytes.",
                where=source,
                hint=f"Delete the folder {source.parent} and build again.",
            )
        files[BASE + part["path"]] = source
    entry: ModelEntry = {
        "name": name,
        "title": model.manifest["title"],
        "licence": model.manifest["licence"]["id"],
        "manifest": ref,
        "bytes": {variant["name"]: variant["bytes"] for variant in model.manifest["variants"]},
    }
    return entry, files


def _file_refs(value: Any) -> Iterator[FileRef]:
    """Every file the manifest names, wherever it stands in it."""
    if isinstance(value, Mapping):
        if value.keys() == FileRef.__annotations__.keys():
            yield FileRef(path=value["path"], bytes=value["bytes"], sha256=value["sha256"])
        else:
            for part in value.values():
                yield from _file_refs(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _file_refs(part)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
