"""Moving the pins of sitegen.lock to what the hub says now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sitegen.config import ModelSpec
from sitegen.models.source import is_of_hub, lock, newest
from sitegen.models.source.lock import DEFAULT_REVISION
from sitegen.progress import Progress, silent


@dataclass(frozen=True)
class Move:
    """What became of one pin."""

    id: str
    revision: str
    old: str | None  # commit; None for a model that was not pinned
    new: str | None  # None for one that no page names any more


def of_hub(specs: Collection[ModelSpec], root: Path) -> list[tuple[str, str]]:
    """The (id, revision) of every model of the hub among `specs`; raises ModelError."""
    found = {(s.id, s.revision or DEFAULT_REVISION) for s in specs if is_of_hub(s, root)}
    return sorted(found)


def update(
    root: Path,
    wanted: Collection[tuple[str, str]],
    named: Collection[tuple[str, str]],
    progress: Progress = silent,
) -> list[Move]:
    """Pin `wanted` to what they are now, and forget what is not `named` by the site.

    All pins move, or none: the lock is written at the end. Weights are not downloaded. Raises
    ModelError for what the hub refuses.
    """
    lock.read(root)  # a broken one is said before the hub is asked
    found = [newest(id, revision, progress) for id, revision in wanted]
    with lock.changing(root) as pins:
        gone = [pins.pop(key) for key in sorted(pins.keys() - set(named))]
        moves = [Move(pin.id, pin.revision, pin.commit, None) for pin in gone]
        for new in found:
            old = pins.get(new.key)
            pins[new.key] = new
            moves.append(Move(new.id, new.revision, old.commit if old else None, new.commit))
    return moves
