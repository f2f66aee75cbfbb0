"""What the bench says of its measurements: medians, ratios, tables.

python benchmarks/browser/figures.py results.json
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One line of the table. `scale` turns what the JSON holds into the unit."""

    label: str
    unit: str
    scale: float = 1
    digits: int = 1
    more_is_better: bool = False


FIGURES = {
    "download_bytes": Figure("downloaded", "MiB", 1 / MIB, 0),
    "network_load_ms": Figure("load from the network", "s", 1e-3),
    "cache_load_ms": Figure("load from the cache", "s", 1e-3),
    "short_first_ms": Figure("first token, {short} tokens", "s", 1e-3, 2),
    "long_first_ms": Figure("first token, {long} tokens", "s", 1e-3, 2),
    "prefill_tps": Figure("prefill, {long} tokens", "tokens/s", digits=0, more_is_better=True),
    "short_decode_tps": Figure("decode after {short}", "tokens/s", more_is_better=True),
    "long_decode_tps": Figure("decode after {long}", "tokens/s", more_is_better=True),
    "turn_2_first_ms": Figure("second turn, first token", "s", 1e-3, 2),
    "turn_5_first_ms": Figure("fifth turn, first token", "s", 1e-3, 2),
    "memory_bytes": Figure("memory of the tab, at most", "MiB", 1 / MIB, 0),
    "cache_load_cpu_s": Figure("CPU time, load from the cache", "s"),
    "long_cpu_s": Figure("CPU time, {long} tokens and {tokens} more", "s"),
    "chat_cpu_s": Figure("CPU time, chat of five turns", "s"),
    "longest_task_ms": Figure("longest task of the page", "ms", digits=0),
}
"""Key of a measurement → what it is."""

Row = Mapping[str, Any]
"""A measurement: `engine`, `threads`, `run`, and the figures, or `failure`."""


def medians(rows: Iterable[Row]) -> dict[tuple[int, str], dict[str, float]]:
    """(threads, engine) → figure → median of the runs that have it."""
    grouped: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        if "failure" not in row:
            grouped.setdefault((row["threads"], row["engine"]), []).append(row)
    return {
        key: {
            name: statistics.median(values)
            for name in FIGURES
            if (values := [row[name] for row in its if row.get(name) is not None])
        }
        for key, its in grouped.items()
    }


def tables(found: Mapping[str, Any]) -> str:
    """Markdown: for each number of threads a line for each figure and a column for each engine,
    with the ratio to sitegen in Chromium behind it."""
    by_engine = medians(found["rows"])
    parts = []
    for threads in sorted({threads for threads, _ in by_engine}):
        engines = [engine for n, engine in by_engine if n == threads]
        ours = by_engine.get((threads, "sitegen"), {})
        lines = [[_threads(threads), *engines]]
        for name, figure in FIGURES.items():
            label = figure.label.format(**found["prompts"])
            line = [f"{label} ({figure.unit})"]
            for engine in engines:
                value = by_engine[threads, engine].get(name)
                line.append(_cell(value, figure, None if engine == "sitegen" else ours.get(name)))
            lines.append(line)
        parts.append(_markdown(lines))
    return "\n\n".join(parts)


def failures(rows: Iterable[Row]) -> str:
    """A line for each measurement that failed."""
    return "".join(
        f"\n- {row['engine']}, {_threads(row['threads'])}, run {row['run']}: {row['failure']}"
        for row in rows
        if "failure" in row
    )


def _cell(value: float | None, figure: Figure, ours: float | None) -> str:
    if value is None:
        return "–"
    said = f"{value * figure.scale:.{figure.digits}f}"
    return f"{said} ({value / ours:.2f})" if ours else said


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *body = (
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )
    return "\n".join([head, "|---" * len(widths) + "|", *body])


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text())))
