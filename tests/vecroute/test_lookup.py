"""One look at a file: whether it is kept, what is in force, and that both belong together."""

import struct

import pytest

from tests.vecroute.builders import EXPORT
from tests.vecroute.segments import FINGERPRINTS, SegmentWriter, prediction
from vecroute import _lookup, image_hash
from vecroute._boot import boot_time
from vecroute._context import SharedContext, find_context
from vecroute._layout import CONTEXT, FINGERPRINT, HEARTBEAT, KIND_PREDICTION, STALE_NS, STATUS, SUPERSEDED
from vecroute._lookup import MOST_TRIES, is_kept, look
from vecroute._segment import Segment, open_segment

NOW = 10**15
A = image_hash(b"a")


@pytest.fixture
def segment(writer: SegmentWriter) -> Segment:
    return open_segment(writer.path)


@pytest.mark.parametrize(
    ("age", "kept"),
    [(0, True), (STALE_NS, True), (STALE_NS + 1, False), (-STALE_NS, True), (-STALE_NS - 1, False), (NOW, False)],
)
def test_a_file_is_kept_as_long_as_its_heart_beats(
    writer: SegmentWriter, segment: Segment, age: int, kept: bool
) -> None:
    writer.store(HEARTBEAT, NOW - age)
    assert is_kept(segment, NOW) is kept
    assert (look(segment, NOW, None) is not None) is kept


@pytest.mark.parametrize("status", [0, SUPERSEDED, 3, 2**64 - 1])
def test_a_file_of_any_other_status_is_not_kept(writer: SegmentWriter, segment: Segment, status: int) -> None:
    writer.store(STATUS, status)
    assert not is_kept(segment, boot_time())


def test_a_view_says_how_long_it_may_be_used(writer: SegmentWriter, segment: Segment) -> None:
    writer.store(HEARTBEAT, NOW)
    view = look(segment, NOW, None)
    assert view is not None
    assert view.alive_until == NOW + STALE_NS
    assert view.hot == segment.map[_lookup.HOT]
    assert view.context == SharedContext(export=EXPORT)


def test_a_swap_amid_a_look_is_looked_at_again(
    writer: SegmentWriter, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def swap_once(blocks: bytes, generation: int, fingerprint: int) -> SharedContext | None:
        if not looks:
            writer.swap(FINGERPRINTS[1], SharedContext(reason="swapped"))
        looks.append(generation)
        return find_context(blocks, generation, fingerprint)

    monkeypatch.setattr(_lookup, "find_context", swap_once)
    view = look(segment, boot_time(), None)
    assert view is not None
    assert (view.context.reason, len(looks)) == ("swapped", 2)
    assert view.fingerprint == FINGERPRINTS[1].to_bytes(8, "little")


def test_a_file_that_swaps_for_ever_is_given_up(
    writer: SegmentWriter, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def swap_always(blocks: bytes, generation: int, fingerprint: int) -> SharedContext | None:
        looks.append(generation)
        writer.store(CONTEXT, generation + 4)
        return SharedContext()

    monkeypatch.setattr(_lookup, "find_context", swap_always)
    assert look(segment, boot_time(), None) is None
    assert len(looks) == MOST_TRIES


def test_a_fingerprint_without_a_context_is_not_in_force(writer: SegmentWriter, segment: Segment) -> None:
    writer.store(FINGERPRINT, FINGERPRINTS[1])
    assert look(segment, boot_time(), None) is None


def test_a_view_finds_by_whole_keys_only(writer: SegmentWriter, segment: Segment) -> None:
    writer.publish(A, prediction())
    now = boot_time()
    view = look(segment, now, None)
    assert view is not None
    assert view.find(A, KIND_PREDICTION, now) is not None
    with pytest.raises(struct.error):
        view.find(A[:15], KIND_PREDICTION, now)
