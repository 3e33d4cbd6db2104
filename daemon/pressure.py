"""The service manager tells when memory is short, in the way of systemd's PRESSURE document; without it nobody does.

`MEMORY_PRESSURE_WATCH` names a pressure file of the kernel (which wakes with POLLPRI), a FIFO or a socket (which have
something to read). `MEMORY_PRESSURE_WRITE` is what to write there first, in base64.
"""

import asyncio
import base64
import binascii
import os
import select
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

import anyio
import structlog

_log = structlog.get_logger("daemon.pressure")

OFF = "/dev/null"
# Giving memory back takes effect only after a while; until then the next call would give back twice.
REST_SECONDS = 5.0
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Watch(NamedTuple):
    """What to wait on, and for which of poll's events."""

    descriptor: int
    events: int


def open_watch(environment: Mapping[str, str]) -> Watch | None:
    """Return what to wait on, or None if nobody tells or it cannot be used; the log says which."""
    path = environment.get("MEMORY_PRESSURE_WATCH", OFF)
    if path == OFF:
        return None
    try:
        first = base64.b64decode(environment.get("MEMORY_PRESSURE_WRITE", ""), validate=True)
        watch = _open(path)
        if first:
            os.write(watch.descriptor, first)
    except (OSError, binascii.Error) as error:
        _log.warning("memory pressure is not watched", path=path, reason=str(error))
        return None
    return watch


def _open(path: str) -> Watch:
    kind = os.stat(path).st_mode  # noqa: PTH116 - a path of the service manager's, used as it is
    if stat.S_ISSOCK(kind):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
            client.connect(path)
            client.setblocking(False)
            return Watch(client.detach(), select.POLLIN)
    return Watch(os.open(path, _FLAGS), select.POLLIN if stat.S_ISFIFO(kind) else select.POLLPRI)


class Pressure:
    """Calls `shed` in the loop when memory is short, and then not again for `rest` seconds."""

    def __init__(self, watch: Watch, shed: Callable[[], None], rest: float = REST_SECONDS) -> None:
        self._watch = watch
        self._shed = shed
        self._rest = rest

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        stop, stopper = os.pipe2(os.O_CLOEXEC)

        def wait() -> None:
            while self._wait_short(stop):
                loop.call_soon_threadsafe(self._shed)
                if _wait_readable(stop, self._rest):
                    return

        # A thread of its own: loops do not wait for POLLPRI, and asking twice would lose the event.
        thread = threading.Thread(target=wait, name="pressure", daemon=True)
        thread.start()
        try:
            await anyio.sleep_forever()
        finally:
            os.close(stopper)
            thread.join()
            os.close(stop)
            os.close(self._watch.descriptor)

    def _wait_short(self, stop: int) -> bool:
        """Return True once memory is short, False once there is no more to wait for. Called in the thread."""
        poll = select.poll()
        poll.register(stop, select.POLLIN)
        poll.register(*self._watch)
        happened = dict(poll.poll())
        if stop in happened or not happened[self._watch.descriptor] & self._watch.events:
            return False
        return self._watch.events != select.POLLIN or _drained(self._watch.descriptor)


def _wait_readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _drained(descriptor: int) -> bool:
    """Read what is there; tell whether there was anything: at the end of a socket there is not."""
    try:
        return bool(os.read(descriptor, 65536))
    except BlockingIOError:
        return True
    except OSError:
        return False
