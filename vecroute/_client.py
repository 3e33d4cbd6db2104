"""The synchronous client: waits with poll for what an exchange waits for."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from vecroute import _calls
from vecroute._calls import PreparedCall, method_for
from vecroute._local import LocalCache
from vecroute._paths import default_socket
from vecroute._session import BACKLOG_PAUSE, Exchange, Pool, Steps
from vecroute.errors import TimeoutExceeded

P = ParamSpec("P")
T = TypeVar("T")

# Seconds. A cold Route takes about 15 ms; whoever waits this long should be told.
DEFAULT_TIMEOUT: Final = 5.0


def _method(prepare: Callable[P, PreparedCall[T]]) -> "Callable[Concatenate[Client, P], T]":
    """Return the client's method that makes the call which `prepare` prepares."""

    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(prepare(*args, **kwargs))

    return method_for(prepare, method)


class Client:
    """A connection to the daemon for plain code. Threads may share one: each call uses a connection of its own.

    `socket`: the daemon's socket (see `default_socket`). `timeout`: seconds that one call may take; None: no limit.
    `shared_cache`: whether `route` and `predict` answer from the daemon's shared memory what is known there
    (`VECROUTE_SHARED_CACHE=0` says no for all clients).
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        shared_cache: bool = True,
    ) -> None:
        self._pool = Pool(Path(socket) if socket is not None else default_socket())
        self._timeout = timeout
        self._local = LocalCache(self._pool.path, wanted=shared_cache)

    route = _method(_calls.route_call)
    predict = _method(_calls.predict_call)
    report = _method(_calls.report_call)
    status = _method(_calls.status_call)
    reload = _method(_calls.reload_call)
    flush_cache = _method(_calls.flush_cache_call)

    def close(self) -> None:
        """Close all connections; calls after it raise ClientClosed."""
        self._pool.close()
        self._local.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self._pool!r}>"

    def _run(self, call: PreparedCall[T]) -> T:
        known = self._local.answer_nowait(call)
        if known is not None:
            return known
        exchange = Exchange(self._pool, call)
        _drive(exchange.steps(), self._timeout)
        return exchange.value()


def _drive(steps: Steps[None], timeout: float | None) -> None:
    """Run the steps to their end.

    Raises:
        TimeoutExceeded: they wanted to wait for longer than `timeout` seconds in all.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        for wait in steps:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if wait.event == "pause":
                time.sleep(BACKLOG_PAUSE)
            elif not wait.poll.poll(None if left is None else left * 1000):
                left = 0.0
            if left == 0:
                raise TimeoutExceeded(timeout or 0.0)
    finally:
        steps.close()
