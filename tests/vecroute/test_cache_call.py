"""The hints' descriptor is received without waiting, close-on-exec, alone, and never leaks."""

import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vecroute.conftest import StartDaemon
from tests.vecroute.test_client import open_descriptors
from vecroute._cache_call import MESSAGE, CacheCall, HintsGiven, NoHints
from vecroute._varlink import encode_error, encode_reply
from vecroute._wire import CacheReply
from vecroute.errors import NoSharedCache

REPLY = encode_reply(CacheReply(path="/run/x.cache", entries=64, hints_file_descriptor=0, reader=3))


class Talk:
    """A call that is on its way, and the daemon's end of it."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.call = CacheCall(ours)

    def send(self, message: bytes, *descriptors: int) -> None:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        self.theirs.sendmsg([message], [rights] if descriptors else [])

    def end(self) -> None:
        self.call.close()
        self.theirs.close()


@pytest.fixture
def talk() -> Iterator[Talk]:
    begun = Talk()
    yield begun
    begun.end()


@pytest.fixture
def file() -> Iterator[int]:
    descriptor = os.memfd_create("hints", os.MFD_CLOEXEC)
    yield descriptor
    os.close(descriptor)


def test_what_is_given_is_closed_on_exec_and_the_callers(talk: Talk, file: int) -> None:
    assert talk.call.receive_nowait() is None
    talk.send(REPLY, file)
    given = talk.call.receive_nowait()
    assert given == HintsGiven(descriptor=given.descriptor if given else -1, path="/run/x.cache", entries=64, reader=3)
    assert not os.get_inheritable(given.descriptor)
    talk.call.close()
    assert os.path.sameopenfile(given.descriptor, file)
    os.close(given.descriptor)


def test_a_reply_may_come_byte_by_byte(talk: Talk, file: int) -> None:
    talk.send(REPLY[:1], file)
    for at in range(1, len(REPLY)):
        assert talk.call.receive_nowait() is None
        talk.send(REPLY[at : at + 1])
    given = talk.call.receive_nowait()
    assert given is not None
    os.close(given.descriptor)


def without_index() -> bytes:
    return encode_reply(CacheReply(path="x", entries=64, reader=3))


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (REPLY, 0),
        (REPLY, 2),
        (REPLY, 4),
        (REPLY, 5),
        (REPLY, 9),
        (without_index(), 1),
        (without_index(), 0),
        (REPLY.replace(b'Descriptor":0', b'Descriptor":1'), 1),
        (encode_error(NoSharedCache("none")), 0),
        (encode_error(NoSharedCache("none")), 1),
        (encode_reply(), 1),
        (b'{"parameters":{"entries":"many"}}\0', 1),
        (b"no JSON\0", 1),
        (b"\xff\0", 1),
    ],
)
def test_anything_else_is_no_hints_and_leaves_no_descriptor(talk: Talk, file: int, message: bytes, count: int) -> None:
    talk.send(message, *[file] * count)
    before = open_descriptors()
    with pytest.raises(NoHints):
        talk.call.receive_nowait()
    assert open_descriptors() == before - 1  # the call's own socket


def test_a_daemon_that_goes_away_with_half_a_reply_leaves_no_descriptor(talk: Talk, file: int) -> None:
    before = open_descriptors()
    talk.send(REPLY[:10], file)
    assert talk.call.receive_nowait() is None
    assert open_descriptors() == before + 1
    talk.theirs.close()
    with pytest.raises(NoHints, match="went away"):
        talk.call.receive_nowait()
    assert open_descriptors() == before - 2


def test_a_call_given_up_closes_what_has_come(talk: Talk, file: int) -> None:
    talk.send(REPLY[:10], file)
    before = open_descriptors()
    assert talk.call.receive_nowait() is None
    talk.call.close()
    assert open_descriptors() == before - 1


def test_it_knows_whether_the_daemon_is_there(talk: Talk) -> None:
    assert talk.call.is_connected_nowait()
    talk.send(b"more than was asked for")
    assert not talk.call.is_connected_nowait()
    talk.theirs.close()
    assert not talk.call.is_connected_nowait()
    talk.call.close()
    assert not talk.call.is_connected_nowait()


def test_descriptors_that_the_application_has_closed_are_no_error(talk: Talk) -> None:
    os.close(talk.call._sock.fileno())
    assert not talk.call.is_connected_nowait()
    talk.call.close()


def test_it_is_sent_to_whoever_listens(start: StartDaemon, socket_path: Path) -> None:
    daemon = start()
    call = CacheCall.start_nowait(socket_path)
    daemon.wait_connected()
    call.close()
    assert MESSAGE == b'{"method":"io.github.vecroute.Router.Cache"}\0'


def test_nobody_listens(tmp_path: Path) -> None:
    before = open_descriptors()
    for path in (tmp_path / "nobody", tmp_path / ("long" * 40), Path("a\0b")):
        with pytest.raises(NoHints):
            CacheCall.start_nowait(path)
    assert open_descriptors() == before
