"""What several test folders share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import hypothesis
import pytest

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("sitegen", deadline=None)
hypothesis.settings.load_profile("sitegen")

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests: engine binaries are compressed once, which takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a site's files (path → text) and makes its folder the working directory."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="")
        monkeypatch.chdir(tmp_path / "site")
        return Path()

    return write
