"""One client's socket: calls in, each with the descriptors that belong to it, and replies out, with deadlines."""

import array
import contextlib
import select
import socket
from collections.abc import Sequence
from typing import NamedTuple

import anyio
from anyio.lowlevel import checkpoint

from daemon.images import Descriptor
from daemon.readiness import Readiness
from vecroute._descriptors import send_some
from vecroute._varlink import Call, ServerCodec, encode_error
from vecroute.errors import InvalidValue, MessageTooLarge, Overloaded, ProtocolError, RequestError

# Descriptors one message may carry; a request refers to one.
MAX_DESCRIPTORS = 4
READ_BYTES = 64 * 1024
# How often to look whether a client is gone that cannot be waited for.
GONE_SECONDS = 0.02
# So many calls in a row are read without waiting before the other clients get a turn.
TURN = 16
_ANCILLARY_BYTES = socket.CMSG_LEN(MAX_DESCRIPTORS * array.array("i").itemsize)
# As plain numbers: operations on the module's flags cost more than the reads themselves.
_PEEK, _CLOEXEC, _TRUNCATED = int(socket.MSG_PEEK), int(socket.MSG_CMSG_CLOEXEC), int(socket.MSG_CTRUNC)
# Every read is a peek and then an exact read in one go, without waiting between: all channels can share the space.
_PEEKED = bytearray(READ_BYTES)


class Received(NamedTuple):
    """A call, or what is wrong with the message that should have been one, with the descriptors that came along."""

    call: Call | RequestError
    descriptors: tuple[Descriptor, ...]


class Channel:
    """Reads whole calls and writes whole replies on a non-blocking socket."""

    def __init__(self, sock: socket.socket, message_timeout: float, write_timeout: float) -> None:
        self._socket = sock
        self._message_timeout = message_timeout
        self._write_timeout = write_timeout
        self._readiness = Readiness(sock)
        self._codec = ServerCodec()
        self._descriptors: list[Descriptor] = []
        self._lost: RequestError | None = None
        self._more = False
        self._turn = 0

    async def receive(self) -> Received | None:
        """Return the next call, or None once the client is done.

        Raises:
            TimeoutError: the client stopped in the middle of a message.
            ConnectionError: the client is gone.
        """
        deadline = None
        while True:
            if self._more:
                await self._share_turns()
            else:
                deadline = await self._wait_readable(deadline)
            data = self._read_nowait()
            if data is None:
                continue
            if not data:
                return None
            self._codec.receive_data(data)
            if (received := self._next()) is not None:
                return received

    async def send(self, data: bytes, descriptors: Sequence[Descriptor] = ()) -> None:
        """Write a whole reply; descriptors go with its first byte.

        Raises:
            TimeoutError: the client does not read.
            ConnectionError: the client is gone.
        """
        sent = self.send_nowait(data, descriptors)
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        with anyio.fail_after(self._write_timeout):
            while rest:
                await anyio.wait_writable(self._socket)
                rest = rest[self.send_nowait(rest, descriptors if len(rest) == len(data) else ()) :]

    def send_nowait(self, data: bytes | memoryview, descriptors: Sequence[Descriptor] = ()) -> int:
        """Write what the kernel takes at once and return how many bytes that was."""
        try:
            return send_some(self._socket, data, [one.fileno() for one in descriptors] if descriptors else ())
        except BlockingIOError:
            return 0

    def say_nowait(self, error: RequestError) -> None:
        """Tell why the connection ends, if the client is still there and the kernel takes it at once."""
        with contextlib.suppress(OSError):
            self.send_nowait(encode_error(error))

    async def wait_gone(self) -> None:
        """Return once the client has closed the connection; one that only ended its own sending still listens."""
        poll = select.poll()
        poll.register(self._socket, 0)
        while True:
            await self._readiness.wait()
            if poll.poll(0):
                return
            # Readable but not gone: the end of its sending, or a next call behind which the end would hide.
            await anyio.sleep(GONE_SECONDS)

    def end_input(self) -> None:
        """Let `receive` return what has arrived so far and then None."""
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the client was faster

    def close(self) -> None:
        self._readiness.close()
        self._socket.close()
        self._descriptors.clear()

    def _read_nowait(self) -> bytes | None:
        """Return bytes of at most one message, b"" at the end, or None if nothing is there.

        The kernel may put a message with a descriptor behind others in one read. So look first, then take exactly
        one message: the descriptors that come with it are its own.
        """
        try:
            peeked = self._socket.recv_into(_PEEKED, READ_BYTES, _PEEK)
            if not peeked:
                return b""
            end = _PEEKED.find(0, 0, peeked)
            data, ancillary, flags, _ = self._socket.recvmsg(peeked if end < 0 else end + 1, _ANCILLARY_BYTES, _CLOEXEC)
        except BlockingIOError:
            self._more = False
            return None
        self._more = peeked == READ_BYTES or len(data) < peeked
        if ancillary or flags & _TRUNCATED:
            self._keep(ancillary, truncated=bool(flags & _TRUNCATED))
        return data

    def _keep(self, ancillary: list[tuple[int, int, bytes]], *, truncated: bool) -> None:
        before = len(self._descriptors)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
                self._descriptors += map(Descriptor, numbers)
        if truncated and len(self._descriptors) - before < MAX_DESCRIPTORS:
            # There was room for more, so it is this process that can open no more.
            self._lost = Overloaded("the daemon has too many files open to take a descriptor; try again in a moment")
        elif truncated or len(self._descriptors) > MAX_DESCRIPTORS:
            self._lost = InvalidValue(
                "fileDescriptor", f"descriptors got lost; send at most {MAX_DESCRIPTORS} with a message, one is enough"
            )
        if self._lost is not None:
            # Which one got lost cannot be told, so none is used.
            self._descriptors.clear()

    def _next(self) -> Received | None:
        try:
            call: Call | RequestError | None = self._codec.next_call()
        except MessageTooLarge as error:
            call = error.with_traceback(None)  # kept for later: its frames would hold this one, descriptors and all
        except ProtocolError as error:
            # The protocol leaves this open. The NUL tells where the next message begins, so say it and go on.
            call = InvalidValue("message", str(error))
        if call is None:
            return None
        if self._lost is not None and isinstance(call, Call):
            call = self._lost
        received = Received(call, tuple(self._descriptors))
        self._descriptors.clear()
        self._lost = None
        return received

    async def _share_turns(self) -> None:
        """Let the others in from time to time, however much this client has sent."""
        self._turn += 1
        if self._turn >= TURN:
            self._turn = 0
            await checkpoint()

    async def _wait_readable(self, deadline: float | None) -> float | None:
        """Wait for bytes, between messages for ever, inside one until a deadline; return that deadline."""
        if self._codec.at_boundary:
            await self._readiness.wait()
            return None
        deadline = deadline or anyio.current_time() + self._message_timeout
        with anyio.fail_after(deadline - anyio.current_time()):
            await self._readiness.wait()
        return deadline
