"""Work in parts, in threads of our own: numpy releases the interpreter's lock.

BLAS has threads too, but they wait for each other by spinning: on a busy machine a calibration took
seven times the CPU time that it takes with one. With one, a part is also the same numbers whatever
the count of cores.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")

THREADS = min(4, os.cpu_count() or 1)  # each holds a part in memory


def without_blas_threads() -> AbstractContextManager[object]:
    """While this holds, each call of BLAS, of whichever thread, is computed in that thread."""
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def in_order(work: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
    """What `work` makes of each part; few parts are read ahead."""
    with ThreadPoolExecutor(THREADS, "calibration") as threads:
        waiting: deque[Future[R]] = deque()
        for part in parts:
            waiting.append(threads.submit(work, part))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
