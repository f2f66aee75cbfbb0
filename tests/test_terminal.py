"""Progress: a line each where nothing can be redrawn, bars where it can."""

from __future__ import annotations

import io

import pytest

from sitegen.progress import Amount
from sitegen.terminal import progress

MIB = 1 << 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_amount_is_its_sentence() -> None:
    assert Amount("loading", 3 * MIB // 2, 300 * MIB) == "loading 1.5 of 300 MiB"
    assert Amount("more than thought", 20 * MIB, 10 * MIB) == "more than thought 20 of 20 MiB"


def test_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with progress("Building", stream) as show:
        show("reading")
        for done in range(0, 101):
            show(Amount("a", done * MIB, 100 * MIB))
        show(Amount("b", MIB, MIB))
        show("reading")
    lines = stream.getvalue().splitlines()
    tenths = [f"a {mib:.1f} of 100 MiB" if mib < 10 else f"a {mib} of 100 MiB"
              for mib in range(0, 101, 10)]  # fmt: skip
    assert lines == ["reading", *tenths, "b 1.0 of 1.0 MiB", "reading"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_bars_on_a_terminal(terminal: Terminal) -> None:
    with progress("Building", terminal) as show:
        show("a [sentence] of its own")
        show(Amount("fetching", 25 * MIB, 100 * MIB))
        show(Amount("writing", 50 * MIB, 200 * MIB))
    text = terminal.getvalue()
    assert "a [sentence] of its own" in text
    assert "25.0/100.0 MiB" in text and "50.0/200.0 MiB" in text
    assert "Building" in text and "fetching 25" not in text


def test_a_bar_that_is_complete_becomes_a_line(terminal: Terminal) -> None:
    with progress("Building", terminal) as show:
        show(Amount("fetching", 25 * MIB, 100 * MIB))
        show(Amount("fetching", 100 * MIB, 100 * MIB))
    assert "fetching 100 of 100 MiB" in terminal.getvalue()


def test_an_error_ends_the_bars(terminal: Terminal) -> None:
    with pytest.raises(ValueError), progress("Building", terminal) as show:
        show(Amount("fetching", 25 * MIB, 100 * MIB))
        raise ValueError
    assert terminal.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in terminal.getvalue()
