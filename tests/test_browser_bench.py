"""The bench of rivals in the browser runs, counts and draws; what it finds is not asked here."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks" / "browser"
OPTIMUM = os.environ.get("SITEGEN_BENCH_PYTHON", ROOT / ".venv-parity" / "bin" / "python")
CODE = b"export const n = 1;\n" * 50


def row(engine: str, threads: int, run: int, **figures: Any) -> dict[str, Any]:
    return {"engine": engine, "threads": threads, "run": run, **figures}


FOUND = {
    "shape": "SmolLM2-135M",
    "prompts": {"short": 64, "long": 512, "tokens": 32},
    "rows": [
        row("sitegen", 1, 1, short_decode_tps=20.0, long_first_ms=4000.0),
        row("sitegen", 1, 2, short_decode_tps=24.0, long_first_ms=4400.0),
        row("sitegen", 1, 3, short_decode_tps=90.0, long_first_ms=4200.0),
        row("wllama q8_0", 1, 1, short_decode_tps=12.0, long_first_ms=29400.0),
        row("wllama q8_0", 1, 2, failure="no answer in time"),
    ],
}


def command(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, FOLDER / script, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True)


def test_the_table_has_medians_and_ratios_to_sitegen(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps(FOUND))
    done = command("figures.py", results)
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    assert ["", "1 thread", "sitegen", "wllama q8_0", ""] in lines
    assert ["", "decode after 64 (tokens/s)", "24.0", "12.0 (0.50)", ""] in lines
    assert ["", "first token, 512 tokens (s)", "4.20", "29.40 (7.00)", ""] in lines
    assert ["", "downloaded (MiB)", "–", "–", ""] in lines


def test_the_picture_shows_every_engine_that_answered(tmp_path: Path) -> None:
    results, picture = tmp_path / "results.json", tmp_path / "plot.svg"
    found = FOUND | {"rows": [each | {"prefill_tps": 100.0} for each in FOUND["rows"]]}
    results.write_text(json.dumps(found))
    done = command("plot.py", results, picture)
    assert done.returncode == 0, done.stderr
    texts = [
        each.text for each in ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"sitegen", "wllama q8_0", "prefill, 512 tokens"} <= set(texts)


def test_the_server_counts_what_goes_over_the_wire(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    from server import Server

    (tmp_path / "engine.js").write_bytes(CODE)
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    with Server({"site": tmp_path}) as server:

        def get(path: str, **headers: str) -> Any:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return urllib.request.urlopen(urllib.request.Request(server.url + path, headers=names))

        with get("site/engine.js", Accept_Encoding="gzip") as answer:
            packed = answer.read()
            assert gzip.decompress(packed) == CODE
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            tag = answer.headers["ETag"]
        with get("site/weights.bin", Accept_Encoding="gzip", Range="bytes=10-19") as answer:
            assert answer.read() == bytes(10)
        with get("site/weights.bin") as answer:
            assert answer.read() == bytes(1000)
        for path, headers, status in [
            ("site/engine.js", {"If-None-Match": tag}, 304),
            ("site/../conftest.py", {}, 404),
            ("elsewhere/engine.js", {}, 404),
        ]:
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(path, **headers)
            assert refused.value.code == status
            refused.value.close()
        assert server.sent == {"site/engine.js": len(packed), "site/weights.bin": 1010}


def test_every_token_of_the_tokenizer_is_read_back(monkeypatch: Any) -> None:
    from tokenizers import Tokenizer

    monkeypatch.syspath_prepend(FOLDER)
    from weights import tokenizer_of

    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_of(3200)))
    assert tokenizer.get_vocab_size() == 3200
    ids = list(range(3199, 259, -7))
    assert tokenizer.encode(tokenizer.decode(ids)).ids == ids


def quick(tmp_path: Path, *arguments: object) -> list[dict[str, Any]]:
    """Rows of a run with the tiny model; whatever failed ends it with an error."""
    if not (os.environ.get("SITEGEN_CHROMIUM") or shutil.which("chromium")):
        pytest.skip("no Chromium; install it or set SITEGEN_CHROMIUM")
    results = tmp_path / "results.json"
    done = command(
        "bench.py", "--quick", "--build", tmp_path / "build", "--json", results, *arguments
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, Any]] = json.loads(results.read_text())["rows"]
    for each in rows:
        assert each["second_download_bytes"] < each["download_bytes"] / 10, each
        assert each["memory_bytes"] > 10 << 20
    return rows


@pytest.mark.slow
@pytest.mark.browser
def test_sitegen_alone(tmp_path: Path) -> None:
    [found] = quick(tmp_path, "--only", "sitegen")
    assert found["engine"] == "sitegen"
    assert found["turn_tokens"][0] == 43  # the first message, and three of the template


@pytest.mark.slow
@pytest.mark.browser
def test_with_rivals(tmp_path: Path) -> None:
    needed = "import gguf, onnx_ir, optimum.exporters.onnx"
    if (
        not (shutil.which("npm") and Path(OPTIMUM).exists())
        or subprocess.run([OPTIMUM, "-c", needed], capture_output=True).returncode
    ):
        pytest.skip("no npm, or no interpreter with optimum, onnx-ir and gguf: make bench-browser")
    rivals = ["transformers.js q8", "transformers.js q4", "wllama q8_0", "wllama q4_0"]
    rows = quick(tmp_path, "--only", ";".join(rivals), "--optimum-python", OPTIMUM)
    assert [each["engine"] for each in rows] == rivals
    # Whatever the engine, the same conversation.
    assert {each["turn_tokens"][0] for each in rows} == {43}
