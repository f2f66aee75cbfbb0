"""Jobs that run at the same time, in threads; an error ends them all.

Threads suffice: numpy, hashlib and onnxruntime release the interpreter's lock while they compute.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 2  # jobs; each may hold a copy of a variant's weights in memory
CORES_EACH = max(1, (os.cpu_count() or 1) // AT_ONCE)


class Stopped(Exception):
    """Ends a job whose result nobody waits for any more."""


class Jobs:
    """Starts jobs in the order given, `AT_ONCE` at a time.

    Leaving the `with` block by an error (or Ctrl-C) drops the jobs that wait, stops the others at
    their next sentence, and waits for them: no job outlives the block.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "export")
        self._speaking = threading.Lock()
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop.set()
        self._threads.shutdown(cancel_futures=True)

    def start(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(job, *args, **kwargs)

    def wait(self, jobs: Iterable[Future[Any]]) -> None:
        """Until all have their results. Of several errors the first in the order of `jobs` is
        raised, whichever came first in time: the same mistake always gets the same sentence."""
        for job in jobs:
            job.result()

    def telling(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """`say` for use inside jobs: sentences come one at a time, and a stopped job ends here."""

        def tell(sentence: str) -> None:
            with self._speaking:
                if self._stop.is_set():
                    raise Stopped
                say(sentence)

        return tell
