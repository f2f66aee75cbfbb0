"""Jobs at the same time: their results, and that nothing of them is left after an error."""

from __future__ import annotations

import threading

import pytest

from sitegen.errors import ModelError
from sitegen.models.jobs import AT_ONCE, Jobs, Stopped

PATIENCE_S = 30  # a deadlock fails the test


def fail(problem: str) -> None:
    raise ModelError(problem)


def talk(tell, started: threading.Event) -> None:  # type: ignore[no-untyped-def]
    """Say something for ever."""
    while True:
        tell("still here")
        started.set()


def test_results_come_in_order_and_jobs_run_at_the_same_time() -> None:
    meet = threading.Barrier(AT_ONCE)
    with Jobs() as jobs:
        started = [jobs.start(meet.wait, PATIENCE_S) for _ in range(AT_ONCE)]
        jobs.wait(started)
        squares = [jobs.start(pow, i, 2) for i in range(10)]
        jobs.wait(squares)
    assert sorted(job.result() for job in started) == list(range(AT_ONCE))
    assert [job.result() for job in squares] == [i * i for i in range(10)]


def test_an_error_ends_the_other_jobs() -> None:
    started = threading.Event()
    with pytest.raises(ModelError, match="no luck"), Jobs() as jobs:
        tell = jobs.telling(lambda sentence: None)
        endless = [jobs.start(talk, tell, started)]
        failed = jobs.start(fail, "no luck")
        endless += [jobs.start(talk, tell, started) for _ in range(3)]
        assert started.wait(PATIENCE_S)
        jobs.wait([failed, *endless])
    assert isinstance(endless[0].exception(), Stopped)
    assert endless[-1].cancelled()


def test_of_two_errors_the_first_in_order_is_raised() -> None:
    second_failed = threading.Event()

    def fail_late() -> None:
        assert second_failed.wait(PATIENCE_S)
        fail("the first job's")

    def fail_soon() -> None:
        second_failed.set()
        fail("the second job's")

    with pytest.raises(ModelError, match="the first job's"), Jobs() as jobs:
        jobs.wait([jobs.start(fail_late), jobs.start(fail_soon)])


def test_an_interrupted_wait_ends_the_jobs() -> None:
    started = threading.Event()
    with pytest.raises(KeyboardInterrupt), Jobs() as jobs:
        endless = jobs.start(talk, jobs.telling(lambda sentence: None), started)
        assert started.wait(PATIENCE_S)
        raise KeyboardInterrupt
    assert isinstance(endless.exception(), Stopped)


def test_an_error_of_the_listener_is_the_jobs_error() -> None:
    def broken(sentence: str) -> None:
        raise BrokenPipeError(sentence)

    with pytest.raises(BrokenPipeError, match="hello"), Jobs() as jobs:
        jobs.wait([jobs.start(jobs.telling(broken), "hello")])
