"""Clients that ask as fast as they are answered, one request each at a time."""

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_SPIN = "import os\nos.nice(19)\nwhile True: pass"


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep every processor from falling asleep, by loops that give way to everything else.

    Waking a virtual processor takes up to 0.1 ms: more than an answer, and met oftener by who takes a little longer.
    """
    loops = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Asker:
    """One connection and one message that it sends again and again; an answer ends with NUL."""

    def __init__(self, path: Path, message: bytes, image: bytes | None = None) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self._message = message
        self._descriptor = memory_file(image) if image is not None else None

    def ask(self) -> None:
        """Send the message, with the image's descriptor if there is one."""
        if self._descriptor is None:
            self.socket.sendall(self._message)
        else:
            socket.send_fds(self.socket, [self._message], [self._descriptor])

    def is_answered(self) -> bool:
        """Read what is there; tell whether the answer ends with it."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data.endswith(b"\0")

    def round_trip(self) -> float:
        """Return how long one answer took, seconds."""
        began = time.perf_counter()
        self.ask()
        while not self.is_answered():
            pass
        return time.perf_counter() - began

    def close(self) -> None:
        self.socket.close()
        if self._descriptor is not None:
            os.close(self._descriptor)


def memory_file(data: bytes) -> int:
    """Return a descriptor of an anonymous file with these bytes."""
    number = os.memfd_create("image")
    os.write(number, data)
    return number


def requests_per_second(path: Path, message: bytes, clients: int, seconds: float) -> float:
    """Return how many requests so many clients at once get answered each second."""
    askers = [Asker(path, message) for _ in range(clients)]
    with selectors.DefaultSelector() as selector:
        for asker in askers:
            selector.register(asker.socket, selectors.EVENT_READ, asker)
            asker.ask()
        began = time.perf_counter()
        answered = _answer_until(selector, began + seconds)
        took = time.perf_counter() - began
    for asker in askers:
        asker.close()
    return answered / took


def _answer_until(selector: selectors.BaseSelector, end: float) -> int:
    answered = 0
    while time.perf_counter() < end:
        for key, _ in selector.select(1.0):
            asker: Asker = key.data
            if asker.is_answered():
                answered += 1
                asker.ask()
    return answered


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of all values lies."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
