"""The rooms stand in a row, and imports point one way. Reads the source; runs none of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Room → the rooms it may import. A new room is put in here, and with it its place in the row.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "digests": set(),
    "progress": set(),
    "schema": {"errors"},
    "toml": {"errors", "schema"},
    "texts": set(),
    "config": {"errors", "schema", "toml"},
    "content": {"errors", "schema", "config", "texts"},
    "models": {"errors", "toml", "config", "digests", "progress", "texts"},
    "vendor": {"errors", "digests"},
    "bundle": {"errors", "digests", "vendor", "models"},
    "render": {"errors", "schema", "toml", "config", "content", "bundle"},
    "output": {"errors"},
    "site": {"errors", "config", "content", "models", "bundle", "render", "output", "texts"},
    "serve": {"errors", "config", "render", "site"},
    "new": {"errors"},
    "terminal": {"progress"},
    "cli": {
        "errors",
        "schema",
        "config",
        "progress",
        "models",
        "vendor",
        "site",
        "serve",
        "new",
        "terminal",
        "texts",
    },
    "__main__": {"cli"},
}

# The same inside models/: what is not named here stands above all that is.
MODEL_ROOMS: dict[str, set[str]] = {
    "fields": set(),
    "jobs": set(),
    "shards": set(),
    "weights": set(),
    "source": set(),
    "tokens": {"fields"},
    "network": {"fields", "weights"},
    "families": {"fields", "weights", "network"},
    "quantization": {"weights", "network"},
    "graph": {"shards", "weights", "network", "quantization"},
    "verification": {"weights", "tokens", "network", "quantization"},
    "calibration": {
        "weights",
        "tokens",
        "network",
        "quantization",
        "graph",
        "verification",
    },
}

# Package → where alone it may be imported.
HEAVY: dict[str, str] = {
    "torch": "sitegen.models.tracing.optimum",
    "transformers": "sitegen.models.tracing",
    "optimum": "sitegen.models.tracing.optimum",
    "numpy": "sitegen.models",
    "onnx": "sitegen.models",
    "onnxruntime": "sitegen.models",
    "tokenizers": "sitegen.models",
    "huggingface_hub": "sitegen.models",
    "fontTools": "sitegen.models",
}
# A build whose models are cached starts here, and must reach no heavy package.
ENTRIES = ("sitegen.cli", "sitegen.site", "sitegen.serve", "sitegen.models")


@dataclass(frozen=True)
class Import:
    """One imported module; `runs` when importing the importer runs it."""

    importer: str
    module: str
    place: str  # file:line
    runs: bool


def modules(root: Path) -> dict[str, Path]:
    """Every module of root/sitegen by its dotted name."""
    found = {}
    for path in sorted((root / "sitegen").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> list[Import]:
    """Every import statement of root/sitegen, wherever it stands."""
    known = modules(root)
    found = []
    for importer, path in known.items():
        package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
        for node, runs in statements(ast.parse(path.read_text(encoding="utf-8")), True):
            place = f"{path.relative_to(root)}:{node.lineno}"
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                start = node.module or ""
                if node.level:
                    above = package.split(".")[: len(package.split(".")) - node.level + 1]
                    start = ".".join([*above, start] if start else above)
                # `from sitegen import vendor` imports the module, not a name of the package.
                names = [f"{start}.{alias.name}" for alias in node.names]
                targets = [name if name in known else start for name in names]
            found += [Import(importer, target, place, runs) for target in dict.fromkeys(targets)]
    return found


def statements(node: ast.AST, runs: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Import statements below a node, and whether importing the module runs each."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, runs
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from statements(child, False)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from statements(ast.Module([part], []), False)
            for part in child.orelse:
                yield from statements(ast.Module([part], []), runs)
        else:
            yield from statements(child, runs)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "sitegen"


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(place + ".")


def backward(root: Path) -> list[str]:
    """Imports that point back, or to a room not in the row."""
    wrong = []
    for each in imports(root):
        if not within(each.module, "sitegen"):
            continue
        source, target = room(each.importer), room(each.module)
        if source == target:
            allowed = source != "models" or lower(each.importer, each.module)
        else:
            allowed = each.module == "sitegen" or target in ROOMS.get(source, set())
        if not allowed:
            wrong.append(f"{each.place}: {each.importer} imports {each.module}")
    return wrong


def lower(importer: str, module: str) -> bool:
    """Whether a module of models/ may import another: rooms named in MODEL_ROOMS look down."""
    above, below = (".".join(name.split(".")[2:3]) for name in (importer, module))
    return above == below or above not in MODEL_ROOMS or below in MODEL_ROOMS[above]


def misplaced(root: Path) -> list[str]:
    """Heavy packages imported outside their place."""
    return [
        f"{each.place}: {each.importer} imports {each.module}"
        for each in imports(root)
        if (place := HEAVY.get(each.module.split(".")[0])) and not within(each.importer, place)
    ]


def eager(root: Path) -> list[str]:
    """Heavy packages that importing an entry would import, with the module that does it."""
    direct: dict[str, list[Import]] = {}
    for each in imports(root):
        if each.runs:
            direct.setdefault(each.importer, []).append(each)
    wrong, reached, ahead = [], set(), list(ENTRIES)
    while ahead:
        module = ahead.pop()
        if module in reached:
            continue
        reached.add(module)
        for each in direct.get(module, []):
            if each.module.split(".")[0] in HEAVY:
                wrong.append(f"{each.place}: {each.importer} imports {each.module} at once")
            elif within(each.module, "sitegen"):
                # Importing a.b.c runs a and a.b too.
                parts = each.module.split(".")
                ahead += [".".join(parts[: n + 1]) for n in range(len(parts))]
    return sorted(set(wrong))


def test_imports_point_one_way() -> None:
    assert backward(ROOT) == []


def test_every_room_is_in_the_row() -> None:
    assert {room(name) for name in modules(ROOT) if name != "sitegen"} <= set(ROOMS)


@pytest.mark.parametrize("row", [ROOMS, MODEL_ROOMS])
def test_the_row_itself_points_one_way(row: dict[str, set[str]]) -> None:
    placed: set[str] = set()
    for name, may in row.items():
        assert may <= placed, f"{name} may import a room that stands after it"
        placed.add(name)


def test_heavy_packages_stay_in_their_place() -> None:
    assert misplaced(ROOT) == []


def test_a_build_with_cached_models_reaches_no_heavy_package() -> None:
    assert eager(ROOT) == []


def test_importing_the_command_line_loads_no_heavy_package() -> None:
    program = (
        "import sys, sitegen.cli, sitegen.site, sitegen.models\n"
        f"print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# -- the checks themselves: each planted violation is found, and its lawful twin is not ---------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("__init__", "errors", "config", "site", "cli", "models/__init__"):
        path = tmp_path / "sitegen" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def plant(tree: Path, name: str, text: str) -> None:
    path = tree / "sitegen" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("errors.py", "import sitegen.config"),
        ("errors.py", "from sitegen import config"),
        ("errors.py", "from . import config"),
        ("errors.py", "from .config import ModelSpec"),
        ("models/family.py", "from ..content import read"),
        ("config.py", "def load():\n    from sitegen.site import build"),
        ("config.py", "if TYPE_CHECKING:\n    from sitegen.site import Report"),
        ("helpers.py", "from sitegen import errors"),
        ("models/weights.py", "from sitegen.models.families import llama"),
        ("models/network/rope.py", "from sitegen.models import Model"),
    ],
)
def test_a_backward_import_is_found(tree: Path, name: str, text: str) -> None:
    plant(tree, "content/__init__.py", "")
    plant(tree, name, text)
    assert len(backward(tree)) == 1
    assert backward(tree)[0].startswith(f"sitegen/{name}:")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.py", "from sitegen.errors import ConfigError"),
        ("config.py", "from sitegen import __version__"),
        ("models/family.py", "from . import other\nfrom sitegen.models import Model"),
        ("models/families/llama.py", "from sitegen.models.network.rope import Rope"),
    ],
)
def test_a_forward_import_is_not(tree: Path, name: str, text: str) -> None:
    plant(tree, name, text)
    assert backward(tree) == []


def test_a_misplaced_heavy_package_is_found(tree: Path) -> None:
    plant(tree, "models/tracing/optimum.py", "def export():\n    import torch\n    import numpy")
    assert misplaced(tree) == []
    plant(tree, "models/family.py", "def f():\n    import torch.nn")
    plant(tree, "site.py", "def f():\n    from onnx import helper")
    assert misplaced(tree) == [
        "sitegen/models/family.py:2: sitegen.models.family imports torch.nn",
        "sitegen/site.py:2: sitegen.site imports onnx",
    ]


def test_an_eager_heavy_package_is_found_through_other_modules(tree: Path) -> None:
    plant(tree, "models/graph.py", "import onnx")
    plant(tree, "models/__init__.py", "def prepare():\n    from sitegen.models import graph")
    assert eager(tree) == []
    plant(tree, "models/cache.py", "from sitegen.models.graph import build")
    assert eager(tree) == []
    plant(tree, "site.py", "from sitegen.models.cache import lookup")
    assert eager(tree) == ["sitegen/models/graph.py:1: sitegen.models.graph imports onnx at once"]
