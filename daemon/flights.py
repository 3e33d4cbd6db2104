"""One image asked for by several clients at once is computed once; the work ends when the last of them leaves."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()
        self.waiters = 0
        self.result: T | None = None
        self.error: Exception | None = None


class Flights(Generic[T]):
    """Work under way by key; it belongs to the given task group, not to the client that asked first."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[bytes, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: bytes, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work for this key gives, starting it unless it is under way. Raises what it raises."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            self._tasks.start_soon(self._fly, key, flight, work)
        flight.waiters += 1
        try:
            await flight.done.wait()
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.done.is_set():
                self._forget(key, flight)  # nobody may join work that is about to be cancelled
                flight.scope.cancel()
        return _outcome(flight)

    async def _fly(self, key: bytes, flight: _Flight[T], work: Callable[[], Awaitable[T]]) -> None:
        try:
            with flight.scope:
                flight.result = await work()
        except Exception as error:  # noqa: BLE001 - any failure is carried over to the waiters and raised there
            flight.error = error
        finally:
            flight.done.set()
            self._forget(key, flight)

    def _forget(self, key: bytes, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _outcome(flight: _Flight[T]) -> T:
    try:
        if flight.error is not None:
            raise flight.error
    finally:
        if not flight.waiters:
            flight.error = None  # its frames hold the flight: without this, both stay until the collector comes by
    return flight.result  # type: ignore[return-value] # set where there is no error; None may be a result
