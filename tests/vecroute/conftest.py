"""A daemon to talk to, and both clients behind one face."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvloop

from tests.vecroute.fake_daemon import Behaviour, FakeDaemon, answer
from tests.vecroute.segments import Clock, SegmentWriter
from vecroute import AsyncClient, Client, SharedCache, _shared_cache

StartDaemon = Callable[..., FakeDaemon]


class Caller(Protocol):
    """Either client, called from plain code."""

    client: Any

    def __call__(self, method: str, /, *args: Any, **kwargs: Any) -> Any: ...


class PlainCaller:
    """The synchronous client."""

    def __init__(self, path: Path, timeout: float | None, **options: Any) -> None:
        self.client: Any = Client(path, timeout, **options)

    def __call__(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.client, method)(*args, **kwargs)

    def end(self) -> None:
        self.client.close()


class LoopCaller:
    """The asyncio client, each call run to its end in one loop."""

    new_loop: Callable[[], asyncio.AbstractEventLoop] = staticmethod(asyncio.new_event_loop)

    def __init__(self, path: Path, timeout: float | None, **options: Any) -> None:
        self.client: Any = AsyncClient(path, timeout, **options)
        self._runner = asyncio.Runner(loop_factory=self.new_loop)

    def __call__(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        async def call() -> Any:
            return await getattr(self.client, method)(*args, **kwargs)

        return self._runner.run(call())  # its own loop: other tests' loops are no business of this client

    def end(self) -> None:
        self("close")
        self._runner.close()


class UvloopCaller(LoopCaller):
    """The same in uvloop, which has its own readers and writers."""

    new_loop = staticmethod(uvloop.new_event_loop)


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def start(socket_path: Path) -> Iterator[StartDaemon]:
    """Start a daemon with the given behaviours, one per connection; it answers everything by default."""
    started: list[FakeDaemon] = []

    def begin(*behaviours: Behaviour) -> FakeDaemon:
        started.append(FakeDaemon(socket_path, behaviours or (answer,)))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.close()


@pytest.fixture(params=[PlainCaller, LoopCaller, UvloopCaller], ids=["sync", "asyncio", "uvloop"])
def connect(request: pytest.FixtureRequest, socket_path: Path) -> Iterator[Callable[..., Caller]]:
    """Return a function that makes a client; every test that asks for it runs once with each client."""
    made: list[PlainCaller | LoopCaller] = []

    def begin(timeout: float | None = 5.0, **options: Any) -> Caller:
        made.append(request.param(socket_path, timeout, **options))
        return made[-1]

    yield begin
    for caller in made:
        caller.end()


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    return tmp_path / "c.cache"


@pytest.fixture
def writer(cache_file: Path) -> Iterator[SegmentWriter]:
    with SegmentWriter(cache_file) as made:
        yield made


@pytest.fixture
def cache(writer: SegmentWriter) -> Iterator[SharedCache]:
    with SharedCache.open(writer.path) as opened:
        yield opened


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(_shared_cache, "_clock", made)
    return made
