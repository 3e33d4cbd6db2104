"""The shared cache goes on, whatever becomes of the file, the daemon, the threads and the process."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router import Plan
from tests.vecroute.segments import FINGERPRINTS, Clock, SegmentWriter, prediction
from tests.vecroute.test_hints import memory
from vecroute import SharedCache, _shared_cache, image_hash
from vecroute._hints import hints_bytes
from vecroute._layout import (
    EPOCH,
    FINGERPRINT,
    STALE_NS,
    STATUS,
    SUPERSEDED,
    BadSegment,
)
from vecroute._segment import NoSegment, Segment, open_segment
from vecroute._shared_cache import REOPEN_NS, CacheClosed

A, B, C = (image_hash(name) for name in (b"a", b"b", b"c"))
SAID = prediction(0.5)
SECOND = 1_000_000_000


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list that grows with each file that is opened."""
    seen: list[Path] = []

    def count(path: Path) -> Segment:
        seen.append(path)
        return open_segment(path)

    monkeypatch.setattr(_shared_cache, "open_segment", count)
    return seen


def test_a_stale_heartbeat_is_a_miss_until_it_beats_again(
    writer: SegmentWriter, cache: SharedCache, clock: Clock
) -> None:
    writer.publish(A, SAID)
    assert cache.get(A) == SAID
    clock.ahead = STALE_NS + SECOND
    assert cache.get(A) is None
    writer.beat(age_seconds=-11)
    assert cache.get(A) == SAID


@pytest.mark.parametrize("age", [11, -11])
def test_a_heartbeat_from_long_ago_or_from_the_future_is_stale(writer: SegmentWriter, age: float) -> None:
    writer.publish(A, SAID)
    writer.beat(age)
    with SharedCache.open(writer.path) as cache:
        assert cache.get(A) is None


def test_a_superseded_file_is_left_for_its_successor_at_once(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    assert cache.get(A) == SAID
    with SegmentWriter(writer.path, 128) as successor:
        successor.publish(A, prediction(0.75))
        assert cache.get(A) == SAID, "not told yet"
        writer.store(STATUS, SUPERSEDED)
        assert cache.get(A) == prediction(0.75)
        assert cache.statistics().entries == 128


def test_files_are_opened_at_most_once_a_second(
    writer: SegmentWriter, cache: SharedCache, clock: Clock, opened: list[Path]
) -> None:
    writer.store(STATUS, SUPERSEDED)
    for _ in range(50):
        assert cache.get(A) is None
    assert opened == [writer.path]
    clock.ahead = REOPEN_NS + SECOND
    for _ in range(50):
        assert cache.get(A) is None
    assert opened == [writer.path] * 2


def test_a_file_nobody_keeps_is_left_for_the_one_at_its_path(
    writer: SegmentWriter, cache: SharedCache, clock: Clock, opened: list[Path]
) -> None:
    """A daemon that was killed supersedes nothing: its runtime directory went, and the next one made a new file."""
    writer.publish(A, SAID)
    writer.path.unlink()
    clock.ahead = STALE_NS + SECOND
    assert cache.get(A) is None
    with SegmentWriter(writer.path) as successor:
        successor.beat(age_seconds=-11)
        successor.publish(A, prediction(0.75))
        assert cache.get(A) is None, "looked for a moment ago"
        clock.ahead += SECOND
        assert cache.get(A) == prediction(0.75)
    assert len(opened) == 2


def test_a_bad_file_in_its_place_is_a_miss(writer: SegmentWriter, cache: SharedCache, opened: list[Path]) -> None:
    writer.publish(A, SAID)
    writer.store(STATUS, SUPERSEDED)
    writer.path.unlink()
    writer.path.mkdir()
    assert cache.get(A) is None
    assert len(opened) == 1


def test_there_may_be_no_file(cache_file: Path) -> None:
    with pytest.raises(NoSegment):
        SharedCache.open(cache_file)


def test_the_default_is_beside_the_socket(
    cache_file: Path, writer: SegmentWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECROUTE_SOCKET", str(cache_file.with_suffix("")))
    writer.publish(A, SAID)
    with SharedCache.open() as cache:
        assert cache.path == cache_file
        assert cache.get(A) == SAID


def test_after_close_everything_is_a_miss(writer: SegmentWriter, cache: SharedCache, opened: list[Path]) -> None:
    writer.publish(A, SAID)
    writer.store(STATUS, SUPERSEDED)
    cache.close()
    cache.close()
    assert (cache.get(A), cache.decide(A), cache.get_plan(A, "ppo", Plan())) == (None, None, None)
    assert opened == []
    with pytest.raises(CacheClosed, match="open it again"):
        cache.statistics()
    assert repr(cache) == f"<SharedCache '{writer.path}' closed>"


def in_child(act: Callable[[], bool]) -> bool:
    """Tell whether something is true in a forked child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if act() else 1
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def test_a_child_reads_on_after_fork(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    assert cache.get(A) == SAID
    assert in_child(lambda: cache.get(A) == SAID and cache.get(B) is None)


def test_a_child_reopens_even_if_another_thread_was_doing_so(writer: SegmentWriter, cache: SharedCache) -> None:
    with SegmentWriter(writer.path) as successor:
        successor.publish(A, SAID)
        writer.store(STATUS, SUPERSEDED)
        with cache._lock:
            assert cache.get(A) is None
            assert in_child(lambda: cache.get(A) == SAID)


def close_everything() -> None:
    os.closerange(3, 1024)


def test_closing_all_descriptors_harms_nobody(writer: SegmentWriter, cache: SharedCache) -> None:
    """Nor does letting the cache go then: the file that got its descriptor's number stays open."""
    writer.publish(A, SAID)
    name = os.fspath(writer.path)

    def act() -> bool:
        close_everything()
        mine = os.open("/dev/null", os.O_RDONLY)
        alike = [os.dup(mine) for _ in range(64)]
        right = cache.get(A) == SAID
        writer.store(STATUS, SUPERSEDED)
        right = right and cache.get(A) is None
        cache.close()
        return right and all(os.fstat(number) for number in (mine, *alike)) and Path(name).exists()

    assert in_child(act)


def test_threads_read_on_while_files_change(cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shared_cache, "REOPEN_NS", 0)
    stop, wrong, found = threading.Event(), [], []
    first = SegmentWriter(cache_file)
    first.publish(A, SAID)
    cache = SharedCache.open(cache_file)

    def read() -> None:
        while not stop.is_set():
            got = cache.get(A)
            if got is not None:
                found.append(1)
                if got != SAID:
                    wrong.append(got)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    old = first
    for size in range(8):
        new = SegmentWriter(cache_file, 8 * (size + 1))
        new.publish(A, SAID)
        old.store(STATUS, SUPERSEDED)
        seen, limit = len(found), time.monotonic() + 10
        while len(found) < seen + 4 and time.monotonic() < limit:
            time.sleep(0)  # their turn
        assert len(found) >= seen + 4
        old = new
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not wrong
    # What the threads found last they may have read in the file before, as it was being replaced.
    assert cache.get(A) == SAID
    assert cache.statistics().entries == 64
    cache.close()


def test_statistics_tell_the_state(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    cache.get(A)
    cache.get(B)
    writer.store(EPOCH, 3)
    found = cache.statistics()
    assert (found.state, found.entries, found.hits, found.misses, found.epoch) == ("alive", 64, 1, 1, 3)
    assert found.fingerprint == f"{FINGERPRINTS[0]:016x}"
    assert found.counters["published"] == 0
    assert len(found.evicted_ages) == 24
    assert found.file_bytes == writer.path.stat().st_size
    assert (found.system_load, found.resource_availability, found.lane) == (0.25, 0.5, "base")
    assert repr(cache) == f"<SharedCache '{writer.path}' hits=1 misses=1>"


@pytest.mark.parametrize(
    ("word", "value", "state"), [(STATUS, SUPERSEDED, "superseded"), (STATUS, 0, "stale"), (FINGERPRINT, 0, "empty")]
)
def test_states(writer: SegmentWriter, cache: SharedCache, word: int, value: int, state: str) -> None:
    writer.store(word, value)
    assert cache.statistics().state == state


def test_a_daemon_that_is_gone_leaves_a_stale_cache(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.beat(age_seconds=60)
    found = cache.statistics()
    assert found.state == "stale"
    assert 60 <= found.heartbeat_seconds < 70


@pytest.fixture
def hints(writer: SegmentWriter) -> Iterator[int]:
    descriptor = memory(hints_bytes(writer.geometry.entries))
    yield descriptor
    os.close(descriptor)


def used(hints: int) -> list[int]:
    return [number for number, mark in enumerate(os.pread(hints, 64, 0)) if mark]


def test_hits_leave_hints_and_misses_none(writer: SegmentWriter, cache: SharedCache, hints: int) -> None:
    number, way = writer.publish(A, SAID)
    assert cache.attach_hints(hints, 0)
    cache.get(B)
    assert used(hints) == []
    cache.get(A)
    cache.decide(A)
    assert used(hints) == [number * 8 + way]
    assert os.pread(hints, 8, 64) == (2).to_bytes(8, "little")


def test_a_hit_behind_another_one_leaves_its_hint(cache_file: Path, hints: int) -> None:
    first, second = (letter * 8 + b"same tag" for letter in (b"1", b"2"))
    with SegmentWriter(cache_file, 64) as writer, SharedCache.open(cache_file) as cache:
        cache.attach_hints(hints, None)
        number, _ = writer.publish(first, SAID)
        while (at := writer.publish(second, SAID))[0] != number:
            second = os.urandom(8) + b"same tag"
        assert cache.get(second) == SAID
        assert used(hints) == [at[0] * 8 + at[1]]


def test_hints_belong_to_one_file(writer: SegmentWriter, cache: SharedCache, hints: int) -> None:
    cache.attach_hints(hints, 0)
    with SegmentWriter(writer.path) as successor:
        successor.publish(A, SAID)
        writer.store(STATUS, SUPERSEDED)
        assert cache.get(A) == SAID
    assert not cache.has_hints
    assert used(hints) == []


def test_a_child_asks_for_hints_of_its_own(writer: SegmentWriter, cache: SharedCache, hints: int) -> None:
    writer.publish(A, SAID)
    cache.attach_hints(hints, 0)
    assert in_child(lambda: not cache.has_hints and cache.get(A) == SAID)
    assert used(hints) == []
    assert cache.has_hints


def test_hints_that_do_not_fit_are_refused(cache: SharedCache) -> None:
    descriptor = memory()
    with pytest.raises(BadSegment, match="another size"):
        cache.attach_hints(descriptor, 0)
    os.close(descriptor)
    assert not cache.has_hints


def test_a_closed_cache_takes_no_hints(cache: SharedCache, hints: int) -> None:
    cache.close()
    assert not cache.attach_hints(hints, 0)
