"""Readiness: wakes the one who waits, and keeps quiet when nobody does."""

import socket
from collections.abc import Iterator

import anyio
import pytest

from daemon.readiness import Readiness
from tests.daemon.harness import PATIENCE

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def test_it_returns_when_bytes_come_and_again_for_the_next(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    readiness = Readiness(ours)
    for _ in range(5):
        theirs.send(b"x")
        with anyio.fail_after(PATIENCE):
            await readiness.wait()
        assert ours.recv(10) == b"x"
    readiness.close()


async def test_it_returns_at_the_end_too(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    readiness = Readiness(ours)
    theirs.close()
    with anyio.fail_after(PATIENCE):
        await readiness.wait()
    assert ours.recv(10) == b""
    readiness.close()


async def test_bytes_that_nobody_reads_do_not_keep_the_loop_busy(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    readiness = Readiness(ours)
    with anyio.move_on_after(0.001):
        await readiness.wait()
    theirs.send(b"x")
    for _ in range(10):
        await anyio.sleep(0.001)
    assert not readiness._watching
    with anyio.fail_after(PATIENCE):
        await readiness.wait()  # it watches again for whoever asks
    readiness.close()
    readiness.close()


async def test_a_wait_can_be_cancelled(pair: tuple[socket.socket, socket.socket]) -> None:
    readiness = Readiness(pair[0])
    with anyio.move_on_after(0.001) as scope:
        await readiness.wait()
    assert scope.cancelled_caught
    readiness.close()
