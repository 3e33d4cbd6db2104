"""The engine of one machine: worker processes, each task within its time; one that dies costs its task alone."""

import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from pebble import ProcessExpired, ProcessPool

from training._engine import IMAGE_TIMEOUT, Failure, Results
from training._run import Label, Task, label

# Native libraries leak; a fresh worker costs less than a machine that swaps.
_TASKS_A_WORKER = 400


class LocalEngine:
    """Runs tasks in `workers` processes, each within `timeout` seconds."""

    def __init__(self, workers: int, *, timeout: float = IMAGE_TIMEOUT, work: Callable[[Task], Label] = label) -> None:
        self._workers, self._timeout, self._work = workers, timeout, work

    def run(self, tasks: Iterable[Task]) -> Results:
        """Yield results as they finish; two tasks a worker are under way, so that none waits for the next."""
        waiting = iter(tasks)
        pool = ProcessPool(max_workers=self._workers, max_tasks=_TASKS_A_WORKER)
        running: dict[Future[Label], Task] = {}
        try:
            while True:
                for task in waiting:
                    running[pool.schedule(self._work, args=(task,), timeout=self._timeout)] = task
                    if len(running) >= 2 * self._workers:
                        break
                if not running:
                    return
                ready, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield running.pop(future), _result(future)
        finally:
            pool.stop()
            pool.join()


def _result(future: Future[Label]) -> Label | Failure:
    try:
        return future.result()
    except (ProcessExpired, TimeoutError, OSError, ValueError, pickle.PicklingError) as exc:
        # PicklingError: native code panicked, and its exception cannot leave the worker.
        return Failure(f"{type(exc).__name__} {exc}")
