"""Who makes room in a full set: the expired and those of another fingerprint first, then what was used longest ago."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.shared import SharedCacheWriter
from daemon.slots import next_even
from tests.daemon.predictions import EXPORT, OTHER, POLICY, Clock, key_of, prediction
from vecroute._context import SharedContext

TTL = 100.0
FIRST, OTHERS = SharedContext(export=EXPORT, policy=POLICY), SharedContext(export=OTHER, policy=POLICY)


@pytest.fixture
def clock() -> Clock:
    return Clock(10**12)


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> Iterator[SharedCacheWriter]:
    """One set of eight ways."""
    with SharedCacheWriter.open(tmp_path / "cache", 8, TTL, clock=clock) as writer:
        writer.use(FIRST, "onnx")
        yield writer


def _publish(writer: SharedCacheWriter, *numbers: int, other: bool = False) -> None:
    for number in numbers:
        assert writer.publish(key_of(number), prediction(number, export=OTHER if other else EXPORT))


def _missing(writer: SharedCacheWriter, *numbers: int) -> list[int]:
    return [number for number in numbers if writer.get(key_of(number)) is None]


def test_what_was_used_longest_ago_makes_room(writer: SharedCacheWriter) -> None:
    _publish(writer, *range(8))
    assert writer.get(key_of(0)) is not None
    _publish(writer, 8)
    assert _missing(writer, *range(9)) == [1]
    assert writer.statistics().counts["evicted"] == 1


def test_a_hint_counts_as_use(writer: SharedCacheWriter) -> None:
    _publish(writer, *range(8))
    writer.touch([0, 2, 8, -1, 10**9])  # as published one after the other; no slot has the last three numbers
    _publish(writer, 8, 9)
    assert _missing(writer, *range(10)) == [1, 3]


def test_another_exports_entry_makes_room_before_an_older_one(writer: SharedCacheWriter) -> None:
    _publish(writer, *range(7))
    writer.use(OTHERS, "onnx")
    _publish(writer, 7, other=True)
    writer.use(FIRST, "onnx")
    _publish(writer, 8)
    assert _missing(writer, *range(7), 8) == []
    assert writer.statistics().counts["evicted"] == 0  # nobody has lost a thing


def test_an_expired_entry_makes_room_before_an_older_one(writer: SharedCacheWriter, clock: Clock) -> None:
    _publish(writer, 0)
    clock.move(TTL / 2)
    _publish(writer, *range(1, 8))
    writer.touch([0])
    clock.move(TTL / 2)
    _publish(writer, 8)
    assert _missing(writer, *range(1, 9)) == []
    counts = writer.statistics().counts
    assert (counts["evicted"], counts["expired"]) == (0, 1)


def test_a_second_word_leaves_the_first_until_it_is_there(writer: SharedCacheWriter) -> None:
    """It goes into another way even if the first is the oldest: readers must not lose what is hot."""
    _publish(writer, *range(8))
    tags = writer._segment.words[writer.geometry.tag_line(0) // 8 :][:8].tolist()
    assert writer.publish(key_of(0), prediction(0, turn=1))
    after = writer._segment.words[writer.geometry.tag_line(0) // 8 :][:8].tolist()
    assert after == [0, tags[0], *tags[2:]]
    assert writer.get(key_of(0)) == prediction(0, turn=1)


def test_the_age_of_what_makes_room_is_told(writer: SharedCacheWriter, clock: Clock) -> None:
    _publish(writer, *range(8))
    clock.move(5)
    _publish(writer, 8)
    assert [bucket for bucket, number in enumerate(writer.statistics().evicted_ages) if number] == [3]  # 4 to 7 s


@pytest.mark.parametrize(("before", "after"), [(0, 2), (1, 2), (2, 4), (2**64 - 2, 0), (2**64 - 1, 0)])
def test_sequences_go_on_for_ever(before: int, after: int) -> None:
    assert next_even(before) == after
