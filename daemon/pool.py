"""A bounded pool of threads; a slot stays taken until its thread really ends, whatever its waiter does meanwhile."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import anyio
import msgspec

from vecroute.errors import Overloaded

S = TypeVar("S")
R = TypeVar("R")


class PoolState(msgspec.Struct, frozen=True, rename="camel"):
    """How busy the pool is; `abandoned` threads still run though nobody waits for them."""

    threads: int
    running: int
    waiting: int
    abandoned: int


class Job(Generic[S, R]):
    """One piece of work: it may announce a stage (`announce`, from the thread) and then ends with a result."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[["Job[S, R]"], R], stop: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._work = work
        self._stop = stop
        self._staged = anyio.Event()
        self._done = anyio.Event()
        self._stage: S | None = None
        self._result: R | None = None
        self._error: BaseException | None = None
        self.abandoned = False

    def announce(self, stage: S) -> None:
        """Hand a first result to the loop; the work goes on. Called in the thread."""
        self._loop.call_soon_threadsafe(self._keep_stage, stage)

    def execute(self) -> None:
        """Do the work and keep what came of it. Called in the thread."""
        try:
            self._result = self._work(self)
        except BaseException as error:  # noqa: BLE001 - any failure is carried over to the waiter and raised there
            self._error = error

    async def wait_stage(self) -> S:
        """Return what was announced. Raises what the work raised before it came that far."""
        await self._staged.wait()
        if self._stage is None:
            self._raise()
        assert self._stage is not None
        return self._stage

    async def wait_result(self) -> R:
        """Return the result. Raises what the work raised."""
        await self._done.wait()
        self._raise()
        return self._result  # type: ignore[return-value] # set where there is no error; None may be a result

    def finish(self) -> None:
        """Wake all waiters. Called in the loop."""
        if self.abandoned:
            self.forget()
        self._staged.set()
        self._done.set()

    def forget(self) -> None:
        """Let go of what the work gave. An error holds the frames it came through, and they hold the job."""
        self.abandoned = True
        self._error = self._result = self._stage = None

    @property
    def ended(self) -> bool:
        return self._done.is_set()

    def stop(self) -> None:
        """Ask running work to end early; not every kind of work can."""
        self._stop()

    def _keep_stage(self, stage: S) -> None:
        self._stage = stage
        self._staged.set()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class Part(Future[R]):
    """Some of a job's work, for a thread that idles; the job alone waits for it, so no loop is told."""

    abandoned = False

    def __init__(self, work: Callable[[], R]) -> None:
        super().__init__()
        self._work = work

    def execute(self) -> None:
        """Do the work, unless its job has taken it back, and keep what came of it. Called in the other thread."""
        if not self.set_running_or_notify_cancel():
            return
        try:
            self.set_result(self._work())
        except BaseException as error:  # noqa: BLE001 - any failure is carried over to the job and raised there
            self.set_exception(error)


class Pool:
    """Threads that take jobs in order; more waiting jobs than `queue_limit` are refused at once.

    The threads are daemonic: one that never returns does not hold up the end of the process.
    """

    def __init__(self, name: str, threads: int, queue_limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._queue_limit = queue_limit
        self._changed = threading.Condition()
        self._waiting: deque[Job[object, object] | Part[object]] = deque()
        self._running: set[Job[object, object] | Part[object]] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[Job[S, R]], R], *, stop: Callable[[], None] = lambda: None) -> Job[S, R]:
        """Queue a piece of work; `stop` is called if it is abandoned while it runs.

        Raises:
            Overloaded: the queue is full.
        """
        job = Job(self._loop, work, stop)
        with self._changed:
            if len(self._waiting) + len(self._running) >= self._queue_limit + len(self._threads):
                raise Overloaded(
                    f"{self._queue_limit} requests wait for {len(self._threads)} {self._name} threads; "
                    "try again in a moment"
                )
            self._waiting.append(job)  # type: ignore[arg-type] # the queue does not look at what jobs carry
            self._changed.notify()
        return job

    async def run(self, work: Callable[[Job[None, R]], R], seconds: float, otherwise: str) -> R:
        """Return what the work gives.

        Raises:
            Overloaded: the queue is full, or the time is over: then `otherwise` begins the message.
        """
        job: Job[None, R] = self.submit(work)
        try:
            with anyio.fail_after(seconds):
                return await job.wait_result()
        except TimeoutError as error:
            if job.ended:
                raise  # the work's own
            raise Overloaded(f"{otherwise} within {seconds:g} s; try again in a moment") from error
        finally:
            self.abandon(job)

    def share(self, work: Callable[[], R]) -> Callable[[], R]:
        """Have a thread that idles do a part of a job's work, and return what waits for its result.

        Where none idles, the part is returned as it is, and the job does it itself: parts never wait behind jobs.
        Called in the job's thread.
        """
        part = Part(work)
        with self._changed:
            if self._closed or self._waiting or len(self._running) >= len(self._threads):
                return work
            self._waiting.append(part)  # type: ignore[arg-type] # see submit
            self._changed.notify()

        def result() -> R:
            if not part.cancel():
                return part.result()
            # Nobody has begun it.
            with self._changed:
                if part in self._waiting:
                    self._waiting.remove(part)  # type: ignore[arg-type] # see submit
            return work()

        return result

    def abandon(self, job: Job[S, R]) -> None:
        """Tell that nobody waits any more: a job in the queue leaves it, a running one is asked to stop."""
        job.forget()
        with self._changed:
            try:
                self._waiting.remove(job)  # type: ignore[arg-type] # see submit
            except ValueError:
                running = job in self._running
            else:
                running = False
        if running:
            job.stop()

    def state(self) -> PoolState:
        with self._changed:
            abandoned = sum(job.abandoned for job in self._running)
            return PoolState(len(self._threads), len(self._running), len(self._waiting), abandoned)

    def close(self) -> bool:
        """Take no more work and tell whether every thread is free to end; one that is stuck is not waited for."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            return not self._running

    def _serve(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Wait for a job and do it; return False at the end. What a job holds is let go before the next wait."""
        job = self._next()
        if job is None:
            return False
        job.execute()
        with self._changed:
            self._running.discard(job)
            if self._closed:
                return False
            # Under the lock: once `close` has it, the loop may end at any time.
            if isinstance(job, Job):
                self._loop.call_soon_threadsafe(job.finish)
        return True

    def _next(self) -> Job[object, object] | Part[object] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job
