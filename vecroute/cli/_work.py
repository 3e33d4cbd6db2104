"""Work on many images at once: results come in order, and an end in between leaves nothing running."""

import contextlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Results kept for each worker while an earlier image takes long; more would only cost memory.
AHEAD = 8


class _Answer(NamedTuple, Generic[R]):
    """What work gave: one result, or what it raised."""

    results: tuple[R, ...]
    fault: BaseException | None = None


class _Task(NamedTuple, Generic[T, R]):
    """An item to work on, and where its answer will be."""

    item: T
    answer: SimpleQueue[_Answer[R]]

    def result(self) -> R:
        """Wait for the result."""
        answer = self.answer.get()
        if answer.fault is not None:
            raise answer.fault
        return answer.results[0]


def in_order(items: Iterable[T], work: Callable[[T], R], jobs: int, give_up: Callable[[], None]) -> Generator[R]:
    """Yield `work(item)` for each item, in order, `jobs` at a time in threads.

    `give_up` is called when the caller stops early: it must make every running `work` end.

    Executors and futures would do, but Ctrl-C in the midst of their methods can leave one of their locks locked, and
    the command then waits for its threads for ever. Simple queues give way to signals.
    """
    tasks: SimpleQueue[_Task[T, R] | None] = SimpleQueue()
    threads = [threading.Thread(target=_serve, args=(work, tasks), name=f"image_{number}") for number in range(jobs)]
    waiting: deque[_Task[T, R]] = deque()
    try:
        for thread in threads:
            thread.start()
        for item in items:
            waiting.append(_Task(item, SimpleQueue()))
            tasks.put(waiting[-1])
            if len(waiting) >= jobs * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BaseException:
        _empty(tasks)
        give_up()
        raise
    finally:
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            if thread.ident is not None:  # started, unless a signal came before
                thread.join()


def _empty(tasks: "SimpleQueue[_Task[T, R] | None]") -> None:
    """Take out what nobody has begun; threads may take the last ones meanwhile."""
    with contextlib.suppress(Empty):
        while True:
            tasks.get_nowait()


def _serve(work: Callable[[T], R], tasks: SimpleQueue[_Task[T, R] | None]) -> None:
    while (task := tasks.get()) is not None:
        try:
            answer = _Answer((work(task.item),))
        except BaseException as exc:  # noqa: BLE001 - raised again where the result is waited for
            answer = _Answer((), exc)
        task.answer.put(answer)


@contextlib.contextmanager
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
