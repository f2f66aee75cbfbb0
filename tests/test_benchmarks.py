"""The benchmark runs: what it measures is another matter, and not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "families.py"


def test_a_tiny_llama_without_rivals(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = [sys.executable, SCRIPT, "--quick", "--json", found]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = json.loads(found.read_text())["parity"]
    assert (row["name"], row["exporter"], row["failure"]) == ("llama", "sitegen", None)
    assert row["difference"] < 1e-4
    assert row["tokens"] == 32
    assert "| `llama` |" in done.stdout


def test_names_that_are_unknown_are_answered() -> None:
    command = [sys.executable, SCRIPT, "--shapes", "SmolLM3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no SmolLM3; there are SmolLM2-135M, " in done.stderr
