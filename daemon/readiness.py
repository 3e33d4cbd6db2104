"""Waiting for a socket to be readable, without telling the kernel anew for each wait.

`anyio.wait_readable` adds and removes the socket each time, which makes up a quarter of a cached answer.
"""

import asyncio
import socket

# A loop may report the same bytes once more before the task that was woken has read them.
SPURIOUS = 1


class Readiness:
    """Tells when there is something to read, or the end; one task at a time may wait."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._waiter: asyncio.Future[None] | None = None
        self._watching = False
        self._unasked = 0

    async def wait(self) -> None:
        """Return once the socket is readable; it stays so until somebody reads."""
        self._unasked = 0
        if not self._watching:
            self._watching = True
            self._loop.add_reader(self._socket, self._ready)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        """Watch no more; to be called before the socket is closed."""
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._socket)

    def _ready(self) -> None:
        if self._waiter is None or self._waiter.done():
            self._unasked += 1
            if self._unasked > SPURIOUS:
                self.close()  # nobody reads now, and the loop would call again and again
        else:
            self._waiter.set_result(None)
