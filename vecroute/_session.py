"""A call from its first byte to its reply, written once for both clients.

`perform` is a generator: it does what can be done at once and yields a `Wait` where something must be waited for.
Whoever drives it decides how to wait, and for how long; closing the generator drops the connection, because a reply
that still comes would be taken for the next call's.
"""

import os
import socket
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from vecroute._calls import PreparedCall
from vecroute._descriptors import READ_BYTES, close_all, open_image, send_some
from vecroute._varlink import ClientCodec, Reply
from vecroute.errors import ClientClosed, DaemonUnavailable

T = TypeVar("T")

# Idle connections kept; more than this many callers at once pay for connecting.
MOST_IDLE: Final = 16
# A full backlog cannot be waited for on a Unix socket: connect refuses at once, so try again after this many seconds.
BACKLOG_PAUSE: Final = 0.01


class Wait(msgspec.Struct, frozen=True):
    """What to wait for: the descriptor to become readable or writable, or a pause of `BACKLOG_PAUSE`."""

    descriptor: int
    event: Literal["read", "write", "pause"]


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
        self._readable = Wait(sock.fileno(), "read")
        self._writable = Wait(sock.fileno(), "write")

    def close(self) -> None:
        self._sock.close()

    def exchange(self, message: bytes, descriptors: Sequence[int]) -> Steps[Reply]:
        """Send a call and return its reply.

        Raises:
            ConnectionLost: the daemon went away.
            ProtocolError: it sent something that is no reply.
        """
        yield from self._send(message, descriptors)
        while (reply := self._codec.next_reply()) is None:
            yield self._readable
            self._receive()
        return reply

    @property
    def reusable(self) -> bool:
        """Whether nothing is left over from the last call."""
        return self._codec.at_boundary

    def _send(self, message: bytes, descriptors: Sequence[int]) -> Steps[None]:
        rest = memoryview(message)
        while rest:
            try:
                sent = send_some(self._sock, rest, descriptors)
            except BlockingIOError:
                yield self._writable
            except OSError as exc:
                # The NUL never went out, so nothing can have been done.
                raise ConnectionLost(exc.strerror or str(exc), delivered=False) from exc
            else:
                rest, descriptors = rest[sent:], ()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return  # woken for nothing
        except OSError as exc:
            raise self._lost(exc.strerror or str(exc)) from exc
        if not data:
            raise self._lost("it went away before it answered")
        self._codec.receive_data(data)

    def _lost(self, reason: str) -> ConnectionLost:
        return ConnectionLost(reason, delivered=True, answered=not self._codec.at_boundary)


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


def perform(pool: Pool, call: PreparedCall[T]) -> Steps[T]:
    """Make one call and return its value.

    An idle connection that proves dead is replaced once, unless the daemon may have done the call already and twice
    is not as good as once.
    """
    descriptors = () if call.image is None else (open_image(call.image),)
    try:
        connection = pool.take_nowait()
        while True:
            reused = connection is not None
            connection = connection or (yield from _connect(pool.path))
            try:
                reply = yield from _exchange(pool, connection, call.message, descriptors)
            except ConnectionLost as lost:
                if not reused or not _may_repeat(call, lost):
                    raise DaemonUnavailable(pool.path, str(lost)) from lost
                pool.drop_idle()  # they are as dead as this one
                connection = None
            else:
                return call.read(reply)
    finally:
        close_all(descriptors)


def _may_repeat(call: PreparedCall[T], lost: ConnectionLost) -> bool:
    """Tell whether sending a call again does no harm."""
    return not lost.delivered or (call.repeatable and not lost.answered)


def _exchange(pool: Pool, connection: Connection, message: bytes, descriptors: Sequence[int]) -> Steps[Reply]:
    """Return the reply and give the connection back; whatever else happens, the connection is closed."""
    whole = False
    try:
        reply = yield from connection.exchange(message, descriptors)
        whole = True
    finally:
        if whole:
            pool.give_back(connection)
        else:
            connection.close()
    return reply


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
