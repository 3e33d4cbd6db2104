"""Every key has one set and a tag that is never empty; who makes room is decided by emptiness, death and last use."""

import random

import pytest

from vecroute._layout import WAYS
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


def test_no_tag_means_empty() -> None:
    assert tag_of(bytes(16)) != EMPTY


def test_a_tag_counts_only_where_a_way_begins() -> None:
    line = b"\0" + TAGS[0] + bytes(55)
    assert ways_of(line, TAGS[0]) == []
    assert ways_of(FULL[:56] + TAGS[2], TAGS[2]) == [2, 7]


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
