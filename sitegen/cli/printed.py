"""How results look: columns, sizes, JSON; the same on a terminal and in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence

NONE = "–"
VARIANT_HEAD = ("variant", "download", "bits a weight", "same token", "KL", "perplexity")


def print_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as what they hold; nothing is cut off, so that a line can be searched."""
    table = [tuple(map(_printable, row)) for row in rows]
    if not table:
        return
    if head:
        table.insert(0, tuple(name.upper() for name in head))
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def _printable(cell: str) -> str:
    """What a model says of itself may hold the control characters of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in cell)


def print_json(values: object) -> None:
    json.dump(values, sys.stdout, indent=2)
    print()


def variant_row(name: str, download: str, quality: Mapping[str, float]) -> tuple[str, ...]:
    """One line under VARIANT_HEAD; quality: as in the manifest."""
    return (
        name,
        download,
        f"{quality['bits_per_weight']:.2f}",
        f"{quality['agreement']:.1%} of {quality['positions']}",
        f"{quality['kl']:.4f}",
        f"× {quality['perplexity_ratio']:.3f}",
    )


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def size(count: int) -> str:
    """Bytes as a reader's browser and a host's limits count them: 1 MB = 1,000,000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
