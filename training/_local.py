"""The engine of one machine: worker processes, each task within its time; one that dies costs its task alone."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pebble import ProcessExpired, ProcessPool

from training._engine import IMAGE_TIMEOUT, Failure, Results
from training._run import Label, Task, label

# Native libraries leak; a fresh worker costs less than a machine that swaps.
TASKS_A_WORKER = 400
Job = Callable[[Task], Label]


class Workers:
    """Processes that label: `submit` starts a task, `close` ends them all. `options` go to the pool."""

    def __init__(self, count: int, *, timeout: float, job: Job, **options: Any) -> None:
        self._count, self._timeout, self._job, self._options = count, timeout, job, options
        self._pool = self._new_pool()

    @property
    def active(self) -> bool:
        """Whether the processes take tasks; asking starts them."""
        return bool(self._pool.active)

    def submit(self, task: Task) -> Future[Label]:
        """Start a task; its time runs from when a worker takes it."""
        if not self.active:
            # A worker that is killed while all of them wait breaks the whole pool.
            self._pool.join()
            self._pool = self._new_pool()
        future: Future[Label] = self._pool.schedule(self._job, args=(task,), timeout=self._timeout)
        return future

    def close(self) -> None:
        """End the workers, also those at work."""
        self._pool.stop()
        self._pool.join()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(max_workers=self._count, max_tasks=TASKS_A_WORKER, **self._options)


class LocalEngine:
    """Runs tasks in `workers` processes, each within `timeout` seconds."""

    def __init__(self, workers: int, *, timeout: float = IMAGE_TIMEOUT, job: Job = label) -> None:
        self.workers = workers
        self._timeout, self._job = timeout, job

    def run(self, tasks: Iterable[Task]) -> Results:
        """Yield results as they finish; two tasks a worker are under way, so that none waits for the next."""
        waiting = iter(tasks)
        workers = Workers(self.workers, timeout=self._timeout, job=self._job, context=multiprocessing)
        running: dict[Future[Label], Task] = {}
        try:
            while True:
                for task in waiting:
                    running[workers.submit(task)] = task
                    if len(running) >= 2 * self.workers:
                        break
                if not running:
                    return
                ready, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield running.pop(future), outcome(future)
        finally:
            workers.close()


def outcome(future: Future[Label]) -> Label | Failure:
    """Return the label, or why there is none: whatever ends a task is that image's failure and no other's."""
    error = future.exception()
    return future.result() if error is None else Failure(reason(error))


def reason(error: BaseException) -> str:
    """Return why a task ended, in one line."""
    if isinstance(error, ProcessExpired):
        return f"its process ended with code {error.exitcode}"
    if isinstance(error, BrokenProcessPool):
        return "its process ended before it began"
    if isinstance(error, TimeoutError) and error.args[:1] == ("Task timeout",):
        return f"it took longer than {error.args[1]:g} s"
    if isinstance(error, pickle.PicklingError):
        # A Rust panic has a type that no other process can import.
        return "native code panicked"
    return ": ".join(filter(None, (type(error).__name__, str(error).strip().partition("\n")[0])))
