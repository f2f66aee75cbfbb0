"""Where nothing can be locked, as on some network file systems: sitegen works, and nobody waits."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import without_locks
from hub_server import HubServer
from tiny_models import write_model

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in without_locks.FLOCK,
    reason="only Linux can refuse locks to a process",
)

REPOSITORY = Path(__file__).parents[1]


def run(root: Path, *arguments: str, model: str, **environment: str) -> tuple[str, str]:
    """What `sitegen` prints, and says of its progress, in a site of one page with a model."""
    (root / "content").mkdir(exist_ok=True)
    (root / "content" / "index.md").write_text(f"---\nmodel: {model}\n---\n", "utf-8")
    done = subprocess.run(
        [sys.executable, without_locks.__file__, *arguments],
        cwd=root,
        env={
            "PYTHONPATH": str(REPOSITORY),
            "SITEGEN_CACHE": str(root / "cache"),
            "PATH": os.environ["PATH"],
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_model_is_exported_and_the_site_written(tmp_path: Path) -> None:
    write_model(tmp_path / "m")
    _, said = run(tmp_path, "build", model="./m")
    assert "verifying" in said and "waiting" not in said
    assert list((tmp_path / "cache" / "staging").iterdir()) == []
    assert (tmp_path / "dist" / "index.html").exists()
    printed, said = run(tmp_path, "build", model="./m")
    assert " 0 files written" in printed and said == ""


def test_a_model_of_the_hub_is_pinned(tmp_path: Path) -> None:
    with HubServer() as server:
        commit = server.push("org/m", write_model(tmp_path / "m"))
        run(tmp_path, "models", "update", model="org/m", HF_ENDPOINT=server.url)
    assert commit in (tmp_path / "sitegen.lock").read_text("utf-8")
