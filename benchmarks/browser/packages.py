"""The rivals' packages, pinned, fetched once by npm into a folder that git ignores.

Each is unpacked alone: what transformers.js needs beside onnxruntime-web is for Node.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

PINNED = {
    "transformers": "@huggingface/transformers@4.3.1",
    "onnxruntime-web": "onnxruntime-web@1.31.0-dev.20260914-8d85527a0",  # which it asks for
    "wllama": "@wllama/wllama@3.8.1",
}
PUPPETEER = "puppeteer-core@25.16.0"  # drives Firefox; downloads no browser


class NoPackages(Exception):
    """npm is not there or could not fetch; says so in a sentence."""


def fetch(folder: Path) -> dict[str, Path]:
    """Name → folder of each package. Raises NoPackages."""
    unpacked = {}
    for name, package in PINNED.items():
        to = folder / package.replace("/", "-")
        if not to.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file = npm(["pack", "--silent", package], folder).split()[-1]
            with tarfile.open(folder / file) as archive:
                archive.extractall(to.with_suffix(".part"), filter="data")
            (folder / file).unlink()
            to.with_suffix(".part").rename(to)
        unpacked[name] = to / "package"
    return unpacked


def puppeteer(folder: Path) -> Path:
    """A node_modules folder with puppeteer-core and what it needs. Raises NoPackages."""
    at = folder / "firefox"
    if not (at / "node_modules" / "puppeteer-core").exists():
        at.mkdir(parents=True, exist_ok=True)
        (at / "package.json").write_text('{"private": true, "type": "module"}')
        npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", PUPPETEER], at)
    return at / "node_modules"


def npm(arguments: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            ["npm", *arguments], cwd=folder, check=True, capture_output=True, text=True
        )
    except FileNotFoundError as error:
        raise NoPackages("npm is not installed: it comes with Node, https://nodejs.org.") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["nothing"]
        raise NoPackages(f"npm {' '.join(arguments)} failed: {said[-1]}") from error
    return done.stdout
