"""Every key has one set and a tag that is never empty; who makes room is decided by emptiness, death and last use."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecroute._layout import LARGEST_ENTRIES, WAYS
from vecroute._placement import EMPTY, place_of, set_of, tag_of, victim, ways_of

TAGS = [bytes([way + 1]) * 8 for way in range(WAYS)]
FULL = b"".join(TAGS)
ALIVE = [False] * WAYS


def test_keys_spread_evenly_over_the_sets() -> None:
    source, counts = random.Random(1), [0] * 16
    for _ in range(16_000):
        counts[set_of(source.randbytes(16), 0x5EED, 16)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


@pytest.mark.parametrize("key", [bytes(16), bytes(range(16)), b"\xff" * 16, b"\xff" * 8 + bytes(8)])
def test_the_hurried_way_gives_the_same_place(key: bytes) -> None:
    for sets in (1, 7, 1_250_000):
        assert place_of(key, 0xDEADBEEF, sets) == (set_of(key, 0xDEADBEEF, sets), tag_of(key))
        assert set_of(key, 0xDEADBEEF, sets) < sets


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), st.integers(1, LARGEST_ENTRIES // WAYS))
def test_every_key_has_a_place(key: bytes, seed: int, sets: int) -> None:
    number, tag = place_of(key, seed, sets)
    assert 0 <= number < sets
    assert tag != EMPTY
    assert (number, tag) == (set_of(key, seed, sets), tag_of(key))


@pytest.mark.parametrize("length", [0, 15, 17])
def test_only_whole_keys_have_a_place(length: int) -> None:
    with pytest.raises(struct.error):
        place_of(bytes(length), 0, 1)


def test_the_place_is_part_of_the_format() -> None:
    """Readers in other languages compute it too: these numbers may never change."""
    key = bytes(range(16))
    assert place_of(key, 0x5EED, 1250) == (139, bytes(range(8, 16)))
    assert place_of(key[:8] + EMPTY, 0x5EED, 1250) == (139, b"\1" + bytes(7))


def test_no_tag_means_empty() -> None:
    assert tag_of(bytes(16)) != EMPTY


def test_a_tag_counts_only_where_a_way_begins() -> None:
    line = b"\0" + TAGS[0] + bytes(55)
    assert ways_of(line, TAGS[0]) == []
    assert ways_of(FULL[:56] + TAGS[2], TAGS[2]) == [2, 7]
    assert ways_of(bytes(64), EMPTY) == list(range(WAYS))


@given(st.lists(st.sampled_from(b"\0\1"), min_size=64, max_size=64), st.integers(0, 56))
def test_ways_are_those_whose_eight_bytes_are_the_tag(line: list[int], start: int) -> None:
    held, tag = bytes(line), bytes(line)[start : start + 8]
    assert ways_of(held, tag) == [way for way in range(WAYS) if held[8 * way : 8 * way + 8] == tag]


@pytest.mark.parametrize(
    ("line", "dead", "used", "way"),
    [
        pytest.param(FULL[:24] + EMPTY + FULL[32:], [True] * 8, range(8), 3, id="an empty one before dead ones"),
        pytest.param(FULL, [False, False, True, False, True, False, False, False], [1, 2, 9, 4, 8, 5, 6, 7], 4,
                     id="a dead one before the oldest, the older of two"),
        pytest.param(FULL, ALIVE, [5, 6, 7, 8, 9, 2, 3, 4], 5, id="the one used longest ago"),
        pytest.param(FULL, ALIVE, [3] * 8, 0, id="the first of equals"),
    ],
)  # fmt: skip
def test_room_is_made_by(line: bytes, dead: list[bool], used: list[int], way: int) -> None:
    assert victim(line, dead, used) == way
