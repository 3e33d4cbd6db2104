"""Notifications reach the manager's socket, by path or abstract name, and never disturb the service."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@vecroute-test-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        receiver.settimeout(5)
        yield receiver, name


def test_each_state_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("default 1\non lane onnx")
    assert receiver.recv(4096) == b"READY=1\nSTATUS=default 1 on lane onnx"
    notifier.status("loading models")
    assert receiver.recv(4096) == b"STATUS=loading models"
    notifier.stopping()
    assert receiver.recv(4096) == b"STOPPING=1\nSTATUS=draining"
    notifier.ready("the reload is done")  # too late to matter
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(4096)


def test_reloading_carries_the_clock_in_microseconds(manager: tuple[socket.socket, str]) -> None:
    receiver, name = manager
    before = time.monotonic_ns() // 1000
    Notifier({"NOTIFY_SOCKET": name}).reloading()
    state, _, clock = receiver.recv(4096).decode().partition("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1"
    assert before <= int(clock) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}], ids=["no manager", "manager gone"])
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    Notifier(environment).ready("fine")
