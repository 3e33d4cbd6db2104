"""A small real server on a real socket, in a thread; what it does with each connection is handed in."""

import array
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tests.vecroute.builders import DECISION, EXPORT, STATUS
from vecroute._interface import INTERFACE
from vecroute._varlink import Call, ServerCodec, decode_parameters, encode_error, encode_reply
from vecroute._wire import (
    METHOD_TYPES,
    CacheReply,
    FlushReply,
    PredictReply,
    ReloadReply,
    RouteReply,
    StatusReply,
    decision_to_wire,
)
from vecroute.errors import RequestError

PATIENCE = 10.0  # seconds until a wait in a test counts as hung
REPLIES: dict[str, object] = {
    "Route": RouteReply(decision=decision_to_wire(DECISION), hash="b" * 32),
    "Predict": PredictReply(quality=0.9, quality_error=0.01, seconds=0.1, svg_bytes=5.0, lane="onnx", export=EXPORT),
    "Report": None,
    "Status": StatusReply(status=STATUS),
    "Reload": ReloadReply(export=EXPORT),
    "Cache": CacheReply(path="/run/router.cache", entries=64),  # it gives no hints
    "FlushCache": FlushReply(entries=3),
}


class Peer:
    """One accepted connection, as the daemon sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._codec = ServerCodec()

    def next_call(self) -> tuple[Call, list[bytes]] | None:
        """Return the next call and what its descriptors can be read for; None at the end."""
        contents: list[bytes] = []
        while (call := self._codec.next_call()) is None:
            data, ancillary, flags, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
            assert not flags & socket.MSG_CTRUNC
            if ancillary:
                assert self._codec.at_boundary, "a descriptor that did not come with the first byte"
            contents += [_content(fd) for _, _, rights in ancillary for fd in array.array("i", rights)]
            if not data:
                return None
            self._codec.receive_data(data)
        return call, contents

    def reply(self, parameters: object) -> None:
        self.sock.sendall(encode_reply(parameters))

    def error(self, error: RequestError) -> None:
        self.sock.sendall(encode_error(error))


Behaviour = Callable[["FakeDaemon", Peer], None]


def answer(daemon: "FakeDaemon", peer: Peer) -> None:
    """Answer calls until the client leaves."""
    while answer_once(daemon, peer):
        pass


def answer_once(daemon: "FakeDaemon", peer: Peer) -> bool:
    """Answer one call; tell whether there was one."""
    if (received := peer.next_call()) is None:
        return False
    daemon.note(*received)
    peer.reply(REPLIES[received[0].method.removeprefix(f"{INTERFACE}.")])
    return True


def sending(data: bytes) -> Behaviour:
    """Return a behaviour that answers one call with these bytes and hangs up."""

    def behave(daemon: "FakeDaemon", peer: Peer) -> None:
        if (received := peer.next_call()) is not None:
            daemon.note(*received)
            peer.sock.sendall(data)

    return behave


def silent(daemon: "FakeDaemon", peer: Peer) -> None:
    """Read nothing and answer nothing until the test is over."""
    daemon.over.wait(PATIENCE)


class FakeDaemon:
    """Accepts connections one after another, each with the next behaviour; the last one stays."""

    def __init__(self, path: Path, behaviours: Sequence[Behaviour]) -> None:
        self.path = path
        self.calls: list[tuple[str, msgspec.Struct, list[bytes]]] = []
        self.connections = 0
        self.over = threading.Event()
        self._behaviours = behaviours
        self._hung_up = threading.Semaphore(0)
        self._connected = threading.Semaphore(0)
        self._talks: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._problems: list[BaseException] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.fspath(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def note(self, call: Call, contents: list[bytes]) -> None:
        """Remember a call, decoded as strictly as the daemon does."""
        name = call.method.removeprefix(f"{INTERFACE}.")
        decoder = msgspec.json.Decoder(METHOD_TYPES[name][0])
        self.calls.append((name, decode_parameters(decoder, call.parameters), contents))

    def wait_connected(self) -> None:
        """Return once one more client is connected."""
        assert self._connected.acquire(timeout=PATIENCE)

    def wait_hung_up(self) -> None:
        """Return once one more connection was closed from this side."""
        assert self._hung_up.acquire(timeout=PATIENCE)

    def close(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        for sock in (self._listener, *self._socks):
            with contextlib.suppress(OSError):  # it may be closed already
                sock.shutdown(socket.SHUT_RDWR)  # wakes accept and recv
        self._thread.join(PATIENCE)
        self._listener.close()
        for talk in self._talks:
            talk.join(PATIENCE)
        assert not self._problems

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            behave = self._behaviours[min(self.connections, len(self._behaviours) - 1)]
            self._socks.append(sock)
            self.connections += 1
            self._connected.release()
            talk = threading.Thread(target=self._talk, args=(sock, behave))
            self._talks.append(talk)
            talk.start()

    def _talk(self, sock: socket.socket, behave: Behaviour) -> None:
        try:
            with sock:
                behave(self, Peer(sock))
        except ConnectionError:
            pass  # the client left first
        except BaseException as exc:
            self._problems.append(exc)
            raise
        finally:
            self._hung_up.release()


def _content(descriptor: int) -> bytes:
    try:
        assert not os.get_inheritable(descriptor)
        return os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)
