from __future__ import annotations

import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tiny_models

from sitegen import vendor
from sitegen.errors import ContentError, ModelError, OutputError, VendorError
from sitegen.new import create
from sitegen.site import build

Write = Callable[[Mapping[str, str]], Path]
WHOLE = Path(__file__).parent / "sites" / "whole"


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    shutil.copytree(WHOLE, tmp_path / "whole")
    return tmp_path / "whole"


def test_a_whole_site_is_built(whole: Path, cache: Path) -> None:
    report = build(whole, cache=cache)
    assert report.output == whole / "dist"
    assert report.pages == 3
    assert list(report.seconds) == ["content", "models", "bundle", "render", "output"]
    built = tree(whole / "dist")
    assert report.write.bytes == sum(
        len(content) for path, (content, _) in built.items() if path != ".sitegen-output.json"
    )
    for path in (
        "index.html",
        "guide/setup/index.html",
        "404.html",
        "sw.js",
        "_sitegen/sitegen.js",
    ):
        assert path in built
    assert built["paper.txt"][0] == b"A paper.\n"
    assert built["notes/data.csv"][0] == b"a,b\n1,2\n"
    assert "notes/later/index.html" not in built


def test_an_author_s_file_replaces_what_may_be_replaced(whole: Path, cache: Path) -> None:
    build(whole, cache=cache)
    assert (whole / "dist" / "robots.txt").read_text() == "User-agent: *\nDisallow: /notes/\n"


def test_building_again_writes_nothing(whole: Path, cache: Path) -> None:
    build(whole, cache=cache)
    before = tree(whole / "dist")
    report = build(whole, cache=cache)
    assert (report.write.written, report.write.deleted) == ((), ())
    assert tree(whole / "dist") == before


def test_two_builds_of_one_site_are_equal(whole: Path, tmp_path: Path, cache: Path) -> None:
    for name in ("one", "two"):
        build(whole, output=tmp_path / name, cache=cache)
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert {path: content for path, (content, _) in one.items()} == {
        path: content for path, (content, _) in two.items()
    }


def test_a_failed_build_leaves_the_site_as_it_was(whole: Path, cache: Path) -> None:
    build(whole, cache=cache)
    before = tree(whole / "dist")
    (whole / "content" / "new.md").write_text("# New")
    (whole / "content" / "guide" / "index.md").write_text("[broken](nowhere.md)")
    with pytest.raises(ContentError):
        build(whole, cache=cache)
    assert tree(whole / "dist") == before


def test_a_page_that_is_gone_leaves_the_site(whole: Path, cache: Path) -> None:
    build(whole, cache=cache)
    (whole / "content" / "index.md").write_text("# Home")
    (whole / "content" / "guide" / "index.md").write_text("# Guide")
    (whole / "content" / "guide" / "setup.md").unlink()
    report = build(whole, cache=cache)
    assert "guide/setup/index.html" in report.write.deleted
    assert not (whole / "dist" / "guide" / "setup").exists()


def test_drafts_on_request(whole: Path, cache: Path) -> None:
    assert build(whole, cache=cache, drafts=True).pages == 4
    sitemap = (whole / "dist" / "sitemap.xml").read_text()
    assert (whole / "dist" / "notes" / "later" / "index.html").is_file()
    assert "later" not in sitemap
    assert build(whole, cache=cache).pages == 3
    assert not (whole / "dist" / "notes" / "later").exists()


@pytest.mark.parametrize("name", ["404.html", "index.html", "_sitegen/models.json"])
def test_an_author_s_file_replaces_nothing_else(site: Write, cache: Path, name: str) -> None:
    root = site({"content/index.md": "# Home", f"static/{name}": "mine"})
    with pytest.raises((ContentError, OutputError), match=f"static/{name}: "):
        build(root, cache=cache)
    assert not (root / "dist").exists()


# -- with models -------------------------------------------------------------------------------

PAGE = """---
model: ./tiny
---
# Home

Before.

```form
fields: [{name: topic, label: A "topic" & <more>}]
prompt: About {{ topic }}
```

After.
"""
TOML = """
[models.twin]
id = "./tiny"
[models.unused]
id = "./nowhere"
"""
MAX_FILE_BYTES = 25 * 1024 * 1024  # Cloudflare's limit, the smallest of the hosts'


@pytest.fixture
def packages() -> None:
    try:
        vendor.check()
    except VendorError as error:
        pytest.skip(error.problem)


def test_a_site_with_a_model(site: Write, cache: Path, packages: None) -> None:
    root = site({
        "sitegen.toml": TOML, "content/index.md": PAGE,
        "content/twin.md": "```chat\nmodel: twin\n```\n",
    })  # fmt: skip
    tiny_models.write_model(root / "tiny", seed=13)
    said: list[str] = []
    report = build(root, cache=cache, report=said.append)

    assert list(report.models) == ["tiny", "twin"]
    assert report.models["tiny"] == report.models["twin"]
    # One specification, two names: exported once.
    assert sum("model.safetensors" in sentence for sentence in said) == 1

    dist = root / "dist"
    home = (dist / "index.html").read_text()
    assert home.index("Before.") < home.index("<sitegen-form") < home.index("After.")
    assert "<!--sitegen:app" not in home
    found = re.findall(r'<sitegen-form model="tiny" options="([^"]*)">', home)
    options = json.loads(html.unescape(found[0]))
    assert options["fields"][0]["label"] == 'A "topic" & <more>'
    assert '<sitegen-chat model="twin"' in (dist / "twin" / "index.html").read_text()

    index = json.loads((dist / "_sitegen" / "models.json").read_text())
    assert [model["name"] for model in index["models"]] == ["tiny", "twin"]
    shell = json.loads(re.findall("SITEGEN = (.*);", (dist / "sw.js").read_text())[0])["shell"]
    for path in shell:
        assert (dist / path / "index.html" if path.endswith("/") else dist / path).is_file(), path
    for path in (dist / "_sitegen" / "files").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
        assert path.stat().st_size < MAX_FILE_BYTES

    again = build(root, cache=cache, report=said.append)
    assert again.write.written == ()
    assert sum("model.safetensors" in sentence for sentence in said) == 1


def test_the_site_that_new_writes_is_built(tmp_path: Path, cache: Path, packages: None) -> None:
    create(tmp_path / "mine")
    report = build(tmp_path / "mine", cache=cache)
    assert list(report.models) == ["storyteller"]
    home = (tmp_path / "mine" / "dist" / "index.html").read_text()
    assert '<sitegen-chat model="storyteller"' in home


def test_a_vocabulary_is_pruned_by_the_text_of_all_pages_that_use_the_model(
    site: Write, cache: Path, packages: None
) -> None:
    chat = "\n\n```chat\nmodel: pruned\nsystem: Отвечай кратко.\n```\n"
    root = site({
        "sitegen.toml": '[models.pruned]\nid = "./tiny"\nvocabulary = "prune"\n',
        "content/index.md": "# Words in English" + chat,
        "content/two.md": "# Ελληνικές λέξεις" + chat,
        "content/three.md": "# العربية\n",
    })  # fmt: skip
    tiny_models.write_model(root / "tiny", seed=14)
    said: list[str] = []
    build(root, cache=cache, report=said.append)
    [sentence] = [each for each in said if "keeps" in each]
    assert "tokens: Cyrillic, Greek, Latin, 100.00% of what the sample text uses;" in sentence


def test_a_cached_model_imports_no_exporter(site: Write, cache: Path, packages: None) -> None:
    root = site({"content/index.md": "---\nmodel: ./tiny\n---\n"})
    hour_ago = time.time() - 3600  # digests of newer files are not remembered
    for path in tiny_models.write_model(root / "tiny").iterdir():
        os.utime(path, (hour_ago, hour_ago))
    build(root, cache=cache)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from sitegen.site import build\n"
        f"build(Path(), cache=Path({str(cache)!r}))\n"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'tokenizers', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_model_that_cannot_be_used_is_named_where_the_page_names_it(
    site: Write, cache: Path
) -> None:
    root = site({"content/index.md": "# Home", "content/a.md": "---\nmodel: builtin:nobody\n---\n"})
    with pytest.raises(ModelError, match="^content/a.md:2:8: there is no built-in model"):
        build(root, cache=cache)
    assert not (root / "dist").exists()
