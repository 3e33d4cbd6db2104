"""Who makes room in a full set: the expired and those of another fingerprint first, then what was used longest ago."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from daemon.shared import SharedCacheWriter
from daemon.slots import next_even
from daemon.words import Words
from tests.daemon.predictions import EXPORT, OTHER, POLICY, Clock, key_of, prediction
from vecroute._context import SharedContext
from vecroute._layout import CONTEXT, EPOCH, FINGERPRINT, LANE, SLOT_BYTES, WORD
from vecroute._placement import tag_of

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


class _Told(Words):
    """Words that tell what they store where."""

    told: ClassVar[list[tuple[int, int | bytes]]] = []

    def store_word(self, number: int, value: int) -> None:
        self.told.append((number * WORD, value))
        super().store_word(number, value)

    def store_bytes(self, offset: int, data: bytes) -> None:
        self.told.append((offset, data))
        super().store_bytes(offset, data)


def test_an_entry_is_written_in_the_order_that_readers_rely_on(tmp_path: Path, clock: Clock) -> None:
    with SharedCacheWriter.open(tmp_path / "other", 8, TTL, clock=clock, stores=_Told) as writer:
        writer.use(FIRST, "onnx")
        _publish(writer, 0)
        _Told.told.clear()
        assert writer.publish(key_of(0), prediction(0, turn=1))
        tags, slots = writer.geometry.tag_line(0), writer.geometry.slots_offset
        tag = int.from_bytes(tag_of(key_of(0)), "little")
        written = writer._segment.map[slots + SLOT_BYTES + WORD : slots + 2 * SLOT_BYTES]
        assert _Told.told == [
            (tags + WORD, 0),
            (slots + SLOT_BYTES, 1),
            (slots + SLOT_BYTES + WORD, written),
            (slots + SLOT_BYTES, 2),
            (tags + WORD, tag),
            (tags, 0),
            (slots, 4),
        ]


def test_a_swap_prepares_everything_before_its_one_store(tmp_path: Path, clock: Clock) -> None:
    with SharedCacheWriter.open(tmp_path / "other", 8, TTL, clock=clock, stores=_Told) as writer:
        writer.use(FIRST, "onnx")
        _Told.told.clear()
        writer.flush()
        words = [offset // WORD for offset, _ in _Told.told]
        assert words[1:] == [LANE, CONTEXT, EPOCH, FINGERPRINT]


@pytest.mark.parametrize(("before", "after"), [(0, 2), (1, 2), (2, 4), (2**64 - 2, 0), (2**64 - 1, 0)])
def test_sequences_go_on_for_ever(before: int, after: int) -> None:
    assert next_even(before) == after
