"""A picture of what the bench measured.

    python benchmarks/browser/plot.py results.json content/rivals.svg [FIGURE ...]

One panel for each figure (keys of FIGURES; by default those of SHOWN), one bar for each engine and
number of threads; written by hand, in the colours of the manual's other pictures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from figures import FIGURES, medians

SHOWN = (
    "prefill_tps",
    "long_decode_tps",
    "turn_2_first_ms",
    "cache_load_ms",
    "download_bytes",
    "memory_bytes",
)
WIDTH, COLUMNS, GAP = 960, 2, 40
LABEL, VALUE, ROW = 140, 56, 30  # widths beside a bar; height of an engine
HEAD = 44  # of a panel
STYLE = """
.t{fill:#1c2321;font-size:15px;font-weight:650}.s{fill:#55605c;font-size:12.5px}
.o{fill:#2f5d50}.r{fill:#9aa5a0}.m{opacity:.6}
@media (prefers-color-scheme:dark){.t{fill:#eef3f0}.s{fill:#a9b5b0}.o{fill:#8fc9b5}.r{fill:#5b6763}}
"""


def plot(found: Mapping[str, Any], shown: Sequence[str] = SHOWN) -> str:
    """SVG of the JSON that the bench wrote."""
    by_engine = medians(found["rows"])
    engines = list(dict.fromkeys(engine for _, engine in by_engine))
    height = HEAD + ROW * len(engines) + GAP / 2
    width = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS
    total = round(height * -(-len(shown) // COLUMNS) + 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" role="img" '
        'aria-labelledby="t" font-family="ui-sans-serif, system-ui, sans-serif">',
        f'<title id="t">sitegen beside transformers.js and wllama: {found["shape"]}</title>',
        f"<style>{STYLE}</style>",
    ]
    for n, name in enumerate(shown):
        x, y = (n % COLUMNS) * (width + GAP), (n // COLUMNS) * height
        parts.append(f'<g transform="translate({x:.0f} {y:.0f})">')
        parts += _panel(name, found, by_engine, engines, width)
        parts.append("</g>")
    threads = sorted({n for n, _ in by_engine})
    note = f"{found['shape']}'s shape, random weights; threads: {', '.join(map(str, threads))}"
    if len(threads) > 1:
        note += ", the fewest above and fainter"
    parts.append(f'<text class="s" x="0" y="{total - 6}">{escape(note)}</text></svg>')
    return "\n".join(parts) + "\n"


def _panel(
    name: str,
    found: Mapping[str, Any],
    by_engine: Mapping[tuple[int, str], Mapping[str, float]],
    engines: list[str],
    width: float,
) -> Iterator[str]:
    figure = FIGURES[name]
    values = {key: row[name] * figure.scale for key, row in by_engine.items() if row.get(name)}
    most = max(values.values(), default=1)
    threads = sorted({count for count, _ in by_engine})
    better = "more is better" if figure.more_is_better else "less is better"
    label = figure.label.format(**found["prompts"])
    yield f'<text class="t" x="0" y="22">{escape(label)}</text>'
    yield (
        f'<text class="s" x="{width:.0f}" y="22" text-anchor="end">{figure.unit}, {better}</text>'
    )
    thickness = (ROW - 6) / max(len(threads), 1)
    for i, engine in enumerate(engines):
        top = HEAD - 8 + i * ROW
        yield f'<text class="s" x="0" y="{top + ROW / 2 + 2:.1f}">{escape(engine)}</text>'
        for j, count in enumerate(threads):
            value = values.get((count, engine))
            if value is None:
                continue
            length = (width - LABEL - VALUE) * value / most
            y = top + j * thickness
            kind = "o" if engine.startswith("sitegen") else "r"
            faint = " m" if j < len(threads) - 1 else ""
            yield (
                f'<rect class="{kind}{faint}" x="{LABEL}" y="{y:.1f}" width="{length:.1f}" '
                f'height="{thickness - 1:.1f}" rx="2"/>'
                f'<text class="s" x="{LABEL + length + 6:.1f}" y="{y + thickness - 2:.1f}">'
                f"{value:.{figure.digits}f}</text>"
            )


if __name__ == "__main__":
    source, target, *shown = sys.argv[1:]
    picture = plot(json.loads(Path(source).read_text()), shown or SHOWN)
    Path(target).write_text(picture, encoding="utf-8")
