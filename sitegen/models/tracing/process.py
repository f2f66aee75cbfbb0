"""Work with the packages of the extra `sitegen[optimum]`, in a process of its own.

It gives its memory back, keeps prints and warnings to itself, and the system may kill it without
taking the build along. Nothing is fetched, nothing is reported, and no code that comes with a model
is run.

    python -m MODULE TASK.json
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sitegen.errors import ModelError

INSTALL = "pip install 'sitegen[optimum]'"
KILLED = (-9, 137)  # exit status by signal, and as a shell says it
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore",
}

Say = Callable[[str], None]


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The installed versions of packages; empty when one is missing."""
    try:
        return {name: importlib.metadata.version(name) for name in packages}
    except importlib.metadata.PackageNotFoundError:
        return {}


@dataclass(frozen=True)
class Work:
    """What the other process does: a module whose `main` takes the name of a task file."""

    module: str
    title: str  # begins the sentence that says it failed
    memory: str  # what to do when there is too little

    def do(self, files: Mapping[str, Path], folder: Path, where: Path, say: Say) -> Any:
        """Do it with a model of exactly `files`; returns what the module answers.

        folder: for its results, emptied before; where: the model, for errors; say: gets what the
        other process says of its progress. An error it raises ends that process.
        Raises ModelError for whatever goes wrong there.
        """
        model = folder / "model"
        shutil.rmtree(folder, ignore_errors=True)  # of an interrupted build
        model.mkdir(parents=True)
        for name, path in files.items():
            _link(path.absolute(), model / name)
        task, errors = folder / "task.json", folder / "errors.txt"
        task.write_text(json.dumps({"model": str(model), "folder": str(folder)}), encoding="utf-8")
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(task)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=os.environ | ENVIRONMENT,
                encoding="utf-8",
            )
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    say(line.strip())
                status = process.wait()
            finally:
                process.kill()
                process.stdout.close()
                process.wait()
        shutil.rmtree(model)
        return self.answer(folder, status, where)

    def answer(self, folder: Path, status: int, where: Path) -> Any:
        """What the process found; raises ModelError when it found that it cannot, or ended early.

        status: its exit status.
        """
        answer = folder / "answer.json"
        if not answer.exists():
            if status in KILLED:
                raise ModelError(
                    f"the system ended {self.title}, most likely because memory ran out",
                    where=where,
                    hint=self.memory,
                )
            said = (folder / "errors.txt").read_text(encoding="utf-8", errors="replace").strip()
            last = (said.splitlines() or ["no reason was given"])[-1]
            raise ModelError(f"{self.title} failed: {last}", where=where)
        found = json.loads(answer.read_text(encoding="utf-8"))
        if "problem" in found:
            raise ModelError(found["problem"], where=where, hint=found["hint"])
        return found["result"]


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path)
    except OSError:  # Windows, without the right to make links
        shutil.copyfile(path, link)


# In the other process


def answer(task_file: str, work: Callable[[Path, Path, Say], Any]) -> None:
    """Do what a task file says by `work(model, folder, say)`, and write its answer beside it."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    folder = Path(task["folder"])
    progress = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not progress

    def say(sentence: str) -> None:
        print(sentence, file=progress, flush=True)

    answer: dict[str, Any]
    try:
        answer = {"result": work(Path(task["model"]), folder, say)}
    except ModelError as error:
        answer = {"problem": error.problem, "hint": error.hint}
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


@contextlib.contextmanager
def library(problem: str) -> Iterator[None]:
    """What a library raises, with the sentence that says what it was asked for."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # they raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "trust_remote_code" in str(error):
            raise ModelError(
                "the model brings program code of its own, which sitegen never runs",
                hint="Take a model of an architecture that transformers itself knows.",
            ) from error
        raise ModelError(f"{problem}: {reason}") from error
