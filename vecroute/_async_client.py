"""The asyncio client: waits with the running loop for what an exchange waits for."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from vecroute import _calls
from vecroute._calls import PreparedCall, method_for
from vecroute._client import DEFAULT_TIMEOUT
from vecroute._local import LocalCache
from vecroute._paths import default_socket
from vecroute._session import BACKLOG_PAUSE, MOST_IDLE, Exchange, Pool, Steps, Wait
from vecroute.errors import TimeoutExceeded

P = ParamSpec("P")
T = TypeVar("T")


def _method(prepare: Callable[P, PreparedCall[T]]) -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    """Return the client's method that makes the call which `prepare` prepares."""

    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(prepare(*args, **kwargs))

    return method_for(prepare, method)


class AsyncClient:
    """The same as `Client` for asyncio code. Calls made together run together, on up to `connections` connections."""

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        connections: int = MOST_IDLE,
        shared_cache: bool = True,
    ) -> None:
        self._pool = Pool(Path(socket) if socket is not None else default_socket())
        self._local = LocalCache(self._pool.path, wanted=shared_cache, in_loop=True)
        self._timeout = timeout
        self._slots = asyncio.Semaphore(connections)

    route = _method(_calls.route_call)
    predict = _method(_calls.predict_call)
    report = _method(_calls.report_call)
    status = _method(_calls.status_call)
    reload = _method(_calls.reload_call)
    flush_cache = _method(_calls.flush_cache_call)

    async def close(self) -> None:
        """Close all idle connections; calls after it raise ClientClosed."""
        self._pool.close()
        self._local.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient {self._pool!r}>"

    async def _run(self, call: PreparedCall[T]) -> T:
        known = self._local.answer_nowait(call)
        if known is not None:
            return known
        exchange = Exchange(self._pool, call)
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                await _drive(exchange.steps())
        except TimeoutError as exc:
            raise TimeoutExceeded(self._timeout or 0.0) from exc
        return exchange.value()


async def _drive(steps: Steps[None]) -> None:
    """Run the steps to their end."""
    try:
        for wait in steps:
            await _wait(wait)
    finally:
        steps.close()


async def _wait(wait: Wait) -> None:
    if wait.event == "pause":
        await asyncio.sleep(BACKLOG_PAUSE)
        return
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (
        (loop.add_reader, loop.remove_reader) if wait.event == "read" else (loop.add_writer, loop.remove_writer)
    )
    add(wait.descriptor, _wake, ready)
    try:
        await ready
    finally:
        remove(wait.descriptor)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
