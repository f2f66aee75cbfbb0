"""What a person sees while work goes on: bars and a spinner on a terminal, plain lines elsewhere.

A line is printed for every sentence. An `Amount` is a bar while it grows and a line when it is
complete; where nothing can be redrawn, it is a line for every tenth.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .progress import Amount, Progress, mib, silent

NUMBERS_WIDTH = 60  # characters of a bar with what stands after it
LINES = 10  # for one Amount at most, where there are no bars


@contextmanager
def progress(what: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """A `Progress` that shows on `stream`, standard error by default, until the block ends.

    what: names the work while it says nothing, beside the spinner.
    """
    stream = sys.stderr if stream is None else stream
    if stream is None:  # closed before the program started: `2>&-`
        yield silent
        return
    if not stream.isatty():
        yield _lines(stream)
        return
    with _bars(what, stream) as shown:
        yield shown


def _lines(stream: TextIO) -> Progress:
    told: dict[str, int] = {}

    def show(sentence: str) -> None:
        if isinstance(sentence, Amount):
            part = LINES * sentence.done // max(1, sentence.total)
            if told.get(sentence.what) == part:
                return
            told[sentence.what] = part
        print(sentence, file=stream, flush=True)

    return show


@contextmanager
def _bars(what: str, stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars
    from rich.spinner import Spinner
    from rich.table import Column
    from rich.text import Text

    class Speed(ProgressColumn):
        """Rich's own counts in MB, where everything else here counts in MiB."""

        def render(self, task: Task) -> Text:
            return Text(f"{mib(int(task.speed))} MiB/s" if task.speed else "")

    console = Console(file=stream, highlight=False, emoji=False)
    room = max(16, console.width - NUMBERS_WIDTH)
    described = Column(no_wrap=True, overflow="ellipsis", max_width=room)
    bars = Bars(
        TextColumn("{task.description}", markup=False, table_column=described),
        BarColumn(bar_width=20),
        DownloadColumn(binary_units=True, table_column=Column(no_wrap=True)),
        Speed(Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=console,
    )
    tasks: dict[str, TaskID] = {}

    def show(sentence: str) -> None:
        if isinstance(sentence, Amount) and sentence.done < sentence.total:
            if sentence.what not in tasks:
                tasks[sentence.what] = bars.add_task(sentence.what)
            bars.update(tasks[sentence.what], total=sentence.total, completed=sentence.done)
            return
        if isinstance(sentence, Amount) and sentence.what in tasks:
            bars.remove_task(tasks.pop(sentence.what))
        console.print(sentence, style="dim", markup=False)

    with Live(Group(bars, Spinner("dots", what)), console=console, transient=True):
        yield show
