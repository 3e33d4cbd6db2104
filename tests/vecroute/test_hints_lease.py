"""A client asks for hints at its first local hit, never waits for them, and gives no answer up for them."""

import array
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vecroute.conftest import Caller, StartDaemon
from tests.vecroute.fake_daemon import FakeDaemon, Peer, silent
from tests.vecroute.segments import SegmentWriter, prediction
from tests.vecroute.test_client import open_descriptors
from vecroute import SharedCache, _hints_lease, image_hash
from vecroute._cache_call import CacheCall, NoHints
from vecroute._hints import counters_offset, hints_bytes
from vecroute._hints_lease import HintsLease
from vecroute._varlink import encode_reply
from vecroute._wire import CacheReply

IMAGE = b"an image that is known"
KEY = image_hash(IMAGE)
ENTRIES = 64
READER = 3
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
REPLY = encode_reply(CacheReply(path="x", entries=ENTRIES, hints_file_descriptor=0, reader=READER))

Connect = Callable[..., Caller]


def memory_file(size: int = hints_bytes(ENTRIES), seals: int = SEALS) -> int:
    descriptor = os.memfd_create("hints", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def give(sock: socket.socket, descriptor: int) -> None:
    sock.sendmsg([REPLY], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])


def hits(memory: int) -> int:
    """Return what the reader's counter says."""
    return int.from_bytes(os.pread(memory, 8, counters_offset(ENTRIES) + 8 * READER), "little")


@pytest.fixture
def memory() -> Iterator[int]:
    """The daemon's memory file for hints."""
    descriptor = memory_file()
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def segment(socket_path: Path) -> Iterator[SegmentWriter]:
    """A shared cache that knows one image."""
    with SegmentWriter(socket_path.with_name(socket_path.name + ".cache"), ENTRIES) as writer:
        writer.publish(KEY, prediction())
        yield writer


class Situation:
    """A reader with its lease, a clock that is set by hand, and the daemon's end of each connection."""

    def __init__(self, cache: SharedCache, path: Path) -> None:
        self.now = 1000.0
        self.cache = cache
        self.daemons: list[socket.socket] = []
        self.listening = True
        self.lease = HintsLease(path)

    def start_nowait(self, _path: Path) -> CacheCall:
        if not self.listening:
            raise NoHints("nobody")
        ours, theirs = socket.socketpair()
        self.daemons.append(theirs)
        return CacheCall(ours)

    def step(self, seconds: float = 0.0) -> bool:
        """Let time go by, find the image, go a step on; tell whether the daemon learns of hits."""
        self.now += seconds
        assert self.cache.get(KEY) is not None
        self.lease.step_nowait(self.cache)
        return self.cache.has_hints


@pytest.fixture
def situation(segment: SegmentWriter, socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Situation]:
    with SharedCache.open(segment.path) as cache:
        made = Situation(cache, socket_path)
        monkeypatch.setattr(_hints_lease, "monotonic", lambda: made.now)
        monkeypatch.setattr(CacheCall, "start_nowait", made.start_nowait)
        yield made
        made.lease.close()
        for daemon in made.daemons:
            daemon.close()


def test_hits_are_counted_once_the_reply_is_there(situation: Situation, memory: int) -> None:
    assert not situation.step()
    assert not situation.step()
    give(situation.daemons[0], memory)
    before = open_descriptors()
    assert situation.step()
    assert open_descriptors() == before  # the memory is mapped, its descriptor closed
    for _ in range(5):
        situation.step()
    assert hits(memory) == 5
    assert sum(os.pread(memory, ENTRIES, 0)) == 1
    assert len(situation.daemons) == 1


def test_the_connection_is_held_as_long_as_hints_are_left(situation: Situation, memory: int) -> None:
    situation.step()
    give(situation.daemons[0], memory)
    assert situation.step()
    situation.step(3600.0)
    situation.daemons[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        situation.daemons[0].recv(1)
    situation.lease.close()
    assert situation.daemons[0].recv(1) == b""


def test_another_daemon_is_asked_when_the_first_has_gone(situation: Situation, memory: int) -> None:
    situation.step()
    give(situation.daemons[0], memory)
    assert situation.step()
    situation.daemons[0].close()
    situation.step(_hints_lease.LOOK_PAUSE)
    assert len(situation.daemons) == 2
    other = memory_file()
    give(situation.daemons[1], other)
    situation.step()
    situation.step()
    assert hits(other) == 1
    os.close(other)


def test_a_new_file_has_new_hints(situation: Situation, memory: int) -> None:
    situation.step()
    give(situation.daemons[0], memory)
    assert situation.step()
    situation.cache._hints = None  # as after a resize
    situation.step(_hints_lease.LOOK_PAUSE)
    assert len(situation.daemons) == 2


@pytest.mark.parametrize(
    ("size", "seals"),
    [
        (hints_bytes(ENTRIES), 0),
        (hints_bytes(ENTRIES), fcntl.F_SEAL_GROW),
        (8, SEALS),
        (hints_bytes(2 * ENTRIES), SEALS),
    ],
    ids=["no seals", "can shrink", "short", "of another size"],
)
def test_memory_that_cannot_be_trusted_is_not_mapped_and_not_asked_for_at_once(
    situation: Situation, size: int, seals: int
) -> None:
    before = open_descriptors()
    memory = memory_file(size, seals)
    situation.step()
    give(situation.daemons[0], memory)
    os.close(memory)
    assert not situation.step()
    assert open_descriptors() == before + 1  # the daemon's end
    situation.step(_hints_lease.RETRY_PAUSE - 1)
    assert len(situation.daemons) == 1
    situation.step(1)
    assert len(situation.daemons) == 2


def test_a_daemon_that_does_not_answer_is_left(situation: Situation) -> None:
    situation.step()
    situation.step(_hints_lease.RETRY_PAUSE)
    situation.step(0.1)
    assert situation.daemons[0].recv(1) == b""
    situation.step(_hints_lease.RETRY_PAUSE)
    assert len(situation.daemons) == 2


def test_no_daemon_no_hints(situation: Situation) -> None:
    situation.listening = False
    assert not situation.step()
    situation.listening = True
    assert not situation.step()
    assert situation.daemons == []
    situation.step(_hints_lease.RETRY_PAUSE)
    assert len(situation.daemons) == 1


def test_a_forked_child_asks_for_its_own(situation: Situation, memory: int) -> None:
    situation.step()
    give(situation.daemons[0], memory)
    assert situation.step()
    child = os.fork()
    if child == 0:
        try:
            situation.lease._lock.acquire()  # as if another thread held it at the fork
            asked = not situation.step(_hints_lease.LOOK_PAUSE) and len(situation.daemons) == 2
            os._exit(0 if asked else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert situation.step(_hints_lease.LOOK_PAUSE)
    assert len(situation.daemons) == 1


def test_one_thread_at_a_time(situation: Situation) -> None:
    with situation.lease._lock:
        situation.step()
    assert situation.daemons == []


# ------------------------------------------------------------------ with both clients, over a real socket


def has_hints(call: Caller) -> bool:
    cache = call.client._local._cache
    return cache is not None and bool(cache.has_hints)


@pytest.mark.usefixtures("segment")
def test_both_clients_leave_hints(start: StartDaemon, connect: Connect, memory: int) -> None:
    def gives(daemon: FakeDaemon, peer: Peer) -> None:
        received = peer.next_call()
        assert received is not None
        daemon.note(*received)
        give(peer.sock, memory)
        peer.next_call()

    daemon, call = start(gives), connect()
    tries = 0
    while not has_hints(call):
        assert call("route", IMAGE).cache == "local"
        tries += 1
        assert tries < 100_000
    call("route", IMAGE)
    assert hits(memory) == 1
    assert [name for name, _, _ in daemon.calls] == ["Cache"]


@pytest.mark.usefixtures("segment")
def test_a_daemon_that_hangs_holds_nobody_up(start: StartDaemon, connect: Connect) -> None:
    start(silent)
    call = connect(timeout=0.001)
    for _ in range(20):
        assert call("route", IMAGE).cache == "local"
