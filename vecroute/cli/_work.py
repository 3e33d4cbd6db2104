"""Work on many images at once: results come in order, and an end in between leaves nothing running."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Results kept for each worker while an earlier image takes long; more would only cost memory.
AHEAD = 8


def in_order(items: Iterable[T], work: Callable[[T], R], jobs: int, give_up: Callable[[], None]) -> Generator[R]:
    """Yield `work(item)` for each item, in order, `jobs` at a time in threads.

    `give_up` is called when the caller stops early: it must make every running `work` end.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(jobs, thread_name_prefix="image") as threads:
        try:
            for item in items:
                waiting.append(threads.submit(work, item))
                if len(waiting) >= jobs * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            for future in waiting:
                future.cancel()
            give_up()
            raise


@contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does, so that half files and workers go in either case."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
