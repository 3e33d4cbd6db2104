"""Work at once: in order, and all of it ends when the caller does."""

import os
import signal
import threading
from contextlib import closing

import pytest

from vecroute.cli._work import AHEAD, ends_on_sigterm, in_order


def unneeded() -> None:
    raise AssertionError("nothing was to be given up")


def test_results_come_in_order() -> None:
    """The first one ends last."""
    others = threading.Semaphore(0)

    def work(item: int) -> int:
        if item == 0:
            for _ in range(3):
                others.acquire()
        else:
            others.release()
        return item * 10

    assert list(in_order(range(4), work, 2, unneeded)) == [0, 10, 20, 30]


def test_no_more_is_started_than_may_wait() -> None:
    started = []

    def work(item: int) -> int:
        started.append(item)
        return item

    with closing(in_order(range(1000), work, 1, lambda: None)) as answers:
        assert next(answers) == 0
        assert len(started) <= AHEAD


def test_whoever_stops_early_gives_up_what_runs() -> None:
    given_up = threading.Event()

    def work(item: int) -> int:
        if item:
            given_up.wait()
        return item

    with closing(in_order(range(9), work, 2, given_up.set)) as answers:
        assert next(answers) == 0
    assert given_up.is_set()


def test_an_error_in_the_work_reaches_the_caller() -> None:
    def work(item: int) -> int:
        raise ValueError(item)

    stopped = threading.Event()
    with pytest.raises(ValueError, match="0"):
        list(in_order(range(3), work, 1, stopped.set))
    assert stopped.is_set()


def test_sigterm_ends_the_block_like_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ends_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with ends_on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
