"""A call from its first byte to its reply, written once for both clients.

An `Exchange` is a generator of waits: it does what can be done at once and yields where something must be waited for.
Whoever drives it decides how to wait, and for how long. Closing it early drops the connection, because a reply that
still comes would be taken for the next call's. On the warm path it yields once, to wait for the reply.
"""

import os
import select
import socket
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar

from vecroute._calls import PreparedCall
from vecroute._descriptors import close_all, open_image, send_some
from vecroute._varlink import ClientCodec
from vecroute.errors import ClientClosed, DaemonUnavailable, VecrouteError

T = TypeVar("T")

READ_BYTES: Final = 64 * 1024
# Idle connections kept; more than this many callers at once pay for connecting.
MOST_IDLE: Final = 16
# A full backlog cannot be waited for on a Unix socket: connect refuses at once, so try again after this many seconds.
BACKLOG_PAUSE: Final = 0.01


class Wait:
    """What to wait for: a descriptor to become readable or writable, or a pause of `BACKLOG_PAUSE` seconds."""

    __slots__ = ("descriptor", "event", "poll")

    def __init__(self, descriptor: int, event: Literal["read", "write", "pause"]) -> None:
        self.descriptor, self.event = descriptor, event
        # For who waits in a thread; made once, not for every call.
        self.poll = select.poll()
        if event != "pause":
            self.poll.register(descriptor, select.POLLIN if event == "read" else select.POLLOUT)

    def __repr__(self) -> str:
        return f"<Wait {self.event} {self.descriptor}>"


Steps = Generator[Wait, None, T]


class ConnectionLost(Exception):
    """The connection ended before the reply was there; `delivered`: the daemon may have the whole call."""

    def __init__(self, reason: str, *, delivered: bool, answered: bool = False) -> None:
        super().__init__(reason)
        self.delivered, self.answered = delivered, answered


class Connection:
    """One connected socket with its codec; one call at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._codec = ClientCodec()
        self._refused = False  # the call's NUL never went out, so nothing can have been done
        self.readable = Wait(sock.fileno(), "read")
        self._writable = Wait(sock.fileno(), "write")

    @property
    def reusable(self) -> bool:
        """Whether the last call left nothing over and the daemon takes another."""
        return self._codec.at_boundary and not self._refused

    def close(self) -> None:
        self._sock.close()

    def send_nowait(self, message: bytes | memoryview, descriptors: Sequence[int]) -> int:
        """Send what fits, descriptors with the first byte, and return how many bytes went.

        To a daemon that has gone away everything "goes": what is left to do is to read its last words. One that
        refuses a connection says why before it hangs up.

        Raises:
            ConnectionLost: the kernel does not take it (too many descriptors on their way).
        """
        try:
            return send_some(self._sock, message, descriptors)
        except BlockingIOError:
            return 0
        except ConnectionError:
            self._refused = True
            return len(message)
        except OSError as exc:
            raise ConnectionLost(exc.strerror or str(exc), delivered=False) from exc

    def send_rest(self, message: bytes, sent: int, descriptors: Sequence[int]) -> Steps[None]:
        """Send what did not fit at once."""
        rest = memoryview(message)[sent:]
        while rest:
            yield self._writable
            count = self.send_nowait(rest, () if sent else descriptors)
            sent, rest = sent + count, rest[count:]

    def receive_nowait(self) -> bytes | None:
        """Return the reply's message if all of it is there.

        Raises:
            ConnectionLost: the daemon went away.
            ProtocolError: it sent more than any reply is long.
        """
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return None  # woken for nothing
        except OSError as exc:
            raise self._lost(exc.strerror or str(exc)) from exc
        if not data:
            raise self._lost("it went away before it answered")
        self._codec.receive_data(data)
        return self._codec.next_message()

    def _lost(self, reason: str) -> ConnectionLost:
        return ConnectionLost(reason, delivered=not self._refused, answered=not self._codec.at_boundary)


class Pool:
    """The idle connections of one client. Safe to share between threads; a forked child starts with none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[Connection] = []
        self._process = os.getpid()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool {self.path}, {'closed' if self._closed else f'{len(self._idle)} idle'}>"

    def take_nowait(self) -> Connection | None:
        """Return an idle connection, if any.

        Raises:
            ClientClosed: `close` was called.
        """
        if self._closed:
            raise ClientClosed
        if self._process != os.getpid():
            self.drop_idle()  # the parent goes on using those
            self._process = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call, unless it is spoilt or there are enough."""
        if self._closed or not connection.reusable or len(self._idle) >= MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def drop_idle(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close all idle connections and refuse new calls; those under way end as they do."""
        self._closed = True
        self.drop_idle()


class Exchange(Generic[T]):
    """One call on its way: go through its `steps`, waiting for what they yield; then its `value` is there."""

    def __init__(self, pool: Pool, call: PreparedCall[T]) -> None:
        self._pool, self._call = pool, call
        self._answer: tuple[T | VecrouteError] | None = None  # a tuple, because the value may be None

    def value(self) -> T:
        """Return what the call gave, once all steps are done, or raise the error that the daemon answered with."""
        assert self._answer is not None
        (value,) = self._answer
        if isinstance(value, VecrouteError):
            raise value
        return value

    def steps(self) -> Steps[None]:
        """Make the call.

        An idle connection that proves dead is replaced once, unless the daemon may have done the call already and
        twice is not as good as once.

        Raises:
            DaemonUnavailable: nobody answers.
            InvalidImage: the image cannot be opened.
            ProtocolError: the daemon sent something that is no reply.
        """
        image = self._call.image
        descriptors = () if image is None else (open_image(image),)
        try:
            connection = self._pool.take_nowait()
            if connection is not None:
                try:
                    yield from self._try(connection, descriptors)
                    return
                except ConnectionLost as lost:
                    if not self._may_repeat(lost):
                        raise DaemonUnavailable(self._pool.path, str(lost)) from lost
                    self._pool.drop_idle()  # they are as dead as this one
            connection = yield from _connect(self._pool.path)
            try:
                yield from self._try(connection, descriptors)
            except ConnectionLost as lost:
                raise DaemonUnavailable(self._pool.path, str(lost)) from lost
        finally:
            close_all(descriptors)

    def _try(self, connection: Connection, descriptors: Sequence[int]) -> Steps[None]:
        """Get the reply and give the connection back; whatever else happens, the connection is closed."""
        message = self._call.message
        try:
            sent = connection.send_nowait(message, descriptors)
            if sent < len(message):
                yield from connection.send_rest(message, sent, descriptors)
            reply = None
            while reply is None:
                yield connection.readable
                reply = connection.receive_nowait()
            self._answer = (self._call.read(reply),)
        finally:
            if self._answer is None:
                connection.close()
        self._pool.give_back(connection)

    def _may_repeat(self, lost: ConnectionLost) -> bool:
        """Tell whether sending the call again does no harm."""
        return not lost.delivered or (self._call.repeatable and not lost.answered)


def _connect(path: Path) -> Steps[Connection]:
    """Return a new connection.

    Raises:
        DaemonUnavailable: nobody listens there, or we may not talk to them.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(os.fspath(path))
            except BlockingIOError:
                yield Wait(sock.fileno(), "pause")
            else:
                return Connection(sock)
    except OSError as exc:
        sock.close()
        raise DaemonUnavailable(path, exc.strerror or str(exc)) from exc
    except BaseException:
        sock.close()
        raise
