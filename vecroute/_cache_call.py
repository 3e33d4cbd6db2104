"""The daemon is asked for the hints' memfd without ever waiting: what is not there yet is looked for at a later hit.

The call has a connection of its own, so the descriptor that comes belongs to its reply and to nothing else.
"""

import array
import contextlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from vecroute._descriptors import close_all, send_some
from vecroute._interface import INTERFACE
from vecroute._varlink import ClientCodec, Reply, TypedReply, decode_reply, encode_call
from vecroute._wire import CacheReply
from vecroute.errors import ProtocolError

MESSAGE: Final = encode_call(f"{INTERFACE}.Cache")
_DECODER: Final = msgspec.json.Decoder(TypedReply[CacheReply])
_READ_BYTES: Final = 64 * 1024
# One is expected. Room for a few more, so that a peer that sends them is noticed and all of them are closed.
_MOST_DESCRIPTORS: Final = 4
_ROOM: Final = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)


class NoHints(Exception):
    """The daemon gives no hints that could be used; the cache works without."""


class HintsGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon gave; whoever takes it closes the descriptor. `reader`: the caller's own counter, if any."""

    descriptor: int
    path: str
    entries: int
    reader: int | None


class CacheCall:
    """One call of `Cache` on its way."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._codec = ClientCodec()
        self._descriptors: list[int] = []

    @classmethod
    def start_nowait(cls, path: Path) -> "CacheCall":
        """Send the call.

        Raises:
            NoHints: nobody listens, or not at once.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.connect(os.fspath(path))
            if send_some(sock, MESSAGE) < len(MESSAGE):
                raise NoHints("the socket takes no whole call")
        except (OSError, ValueError) as exc:
            sock.close()
            raise NoHints(str(exc)) from exc
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def receive_nowait(self) -> HintsGiven | None:
        """Return what the daemon gave, once its reply is there.

        The counter is the caller's as long as the connection is open.

        Raises:
            NoHints: there will be none.
        """
        try:
            given = _given(self._next_message(), self._descriptors)
        except BlockingIOError:
            return None
        except (OSError, ProtocolError) as exc:
            self.close()
            raise NoHints(str(exc)) from exc
        except BaseException:
            self.close()
            raise
        self._descriptors.clear()  # it is the caller's now
        return given

    def close(self) -> None:
        """Close the connection and what came with it."""
        with contextlib.suppress(OSError):  # the application may have closed all descriptors
            self._sock.close()
        close_all(self._descriptors)
        self._descriptors.clear()

    def is_connected_nowait(self) -> bool:
        """Tell whether the daemon is still there; it has no reason to say any more."""
        try:
            self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _next_message(self) -> bytes:
        while (message := self._codec.next_message()) is None:
            flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            data, ancillary, got, _ = self._sock.recvmsg(_READ_BYTES, _ROOM, flags)
            self._descriptors += _rights(ancillary)
            if got & socket.MSG_CTRUNC:
                raise NoHints("more descriptors came than were expected, and some are lost")
            if not data:
                raise NoHints("the daemon went away before it answered")
            self._codec.receive_data(data)
        return message


def _given(message: bytes, descriptors: list[int]) -> HintsGiven:
    try:
        reply = decode_reply(_DECODER, message)
    except ProtocolError as exc:
        raise NoHints(str(exc)) from exc
    if isinstance(reply, Reply) or reply.parameters is None:
        raise NoHints("the daemon keeps no shared cache")
    said = reply.parameters
    if said.hints_file_descriptor != 0 or len(descriptors) != 1:
        raise NoHints(f"{len(descriptors)} descriptors came, the reply names {said.hints_file_descriptor}")
    return HintsGiven(descriptor=descriptors[0], path=said.path, entries=said.entries, reader=said.reader)


def _rights(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came; one that was cut short is not among them."""
    found = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)
