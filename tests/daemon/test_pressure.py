"""Memory pressure: the environment names what to wait on, and each word of it gives memory back, with rests between."""

import base64
import os
import select
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from daemon.pressure import Pressure, Watch, open_watch
from tests.daemon.harness import wait_until

pytestmark = pytest.mark.anyio
REST = 60.0


def _environment(path: Path, write: bytes = b"") -> Mapping[str, str]:
    return {"MEMORY_PRESSURE_WATCH": str(path), "MEMORY_PRESSURE_WRITE": base64.b64encode(write).decode()}


def _watch(path: Path, write: bytes = b"") -> Watch:
    watch = open_watch(_environment(path, write))
    assert watch is not None
    return watch


async def test_a_word_in_a_fifo_sheds_once_until_the_rest_is_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    told: list[int] = []
    watch = _watch(tmp_path / "fifo")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pressure(watch, lambda: told.append(1), rest=0.01).run)
        (tmp_path / "fifo").write_bytes(b"xxx")
        await wait_until(lambda: len(told) == 1)
        (tmp_path / "fifo").write_bytes(b"x")
        await wait_until(lambda: len(told) == 2)
        tasks.cancel_scope.cancel()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(watch.descriptor)


async def test_while_it_rests_it_can_be_stopped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    told: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pressure(_watch(tmp_path / "fifo"), lambda: told.append(1), rest=REST).run)
        (tmp_path / "fifo").write_bytes(b"x")
        await wait_until(lambda: bool(told))
        tasks.cancel_scope.cancel()


async def test_a_socket_gets_the_text_first_and_its_end_sheds_nothing(tmp_path: Path) -> None:
    told: list[int] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        watch = _watch(tmp_path / "socket", b"some 200000 2000000\0")
        peer, _ = listener.accept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pressure(watch, lambda: told.append(1), rest=0.001).run)
        with peer:
            assert peer.recv(99) == b"some 200000 2000000\0"
            peer.send(b"!")
            await wait_until(lambda: bool(told))
        await wait_until(lambda: "pressure" not in _threads())
        tasks.cancel_scope.cancel()
    assert told == [1]


def _threads() -> list[str]:
    import threading

    return [thread.name for thread in threading.enumerate()]


@pytest.mark.skipif(not Path("/proc/pressure/memory").exists(), reason="this kernel tells of no pressure")
async def test_a_pressure_file_is_waited_on_for_what_the_kernel_sends() -> None:
    watch = open_watch(_environment(Path("/proc/pressure/memory"), b"some 200000 2000000"))
    if watch is None:
        pytest.skip("this kernel lets only root ask")
    assert watch.events == select.POLLPRI
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Pressure(watch, sys.exit).run)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="nobody tells"),
        pytest.param({"MEMORY_PRESSURE_WATCH": "/dev/null"}, id="told not to"),
        pytest.param({"MEMORY_PRESSURE_WATCH": "/nonexistent"}, id="nothing there"),
        pytest.param({"MEMORY_PRESSURE_WATCH": "/etc", "MEMORY_PRESSURE_WRITE": ""}, id="a directory"),
        pytest.param({"MEMORY_PRESSURE_WATCH": "/x", "MEMORY_PRESSURE_WRITE": "?"}, id="no base64"),
    ],
)
async def test_without_a_usable_watch_nothing_is_watched(environment: Mapping[str, str]) -> None:
    assert open_watch(environment) is None
