"""What a restart makes of each state that a slot can be left in."""

import mmap
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.shared import SharedCacheWriter
from tests.daemon.dying import look
from tests.daemon.predictions import EXPORT, POLICY, Clock, key_of, prediction
from vecroute._context import SharedContext
from vecroute._entry import pack_entry
from vecroute._layout import SLOT_BYTES, TAGS_OFFSET, WORD

TTL, NOW = 100.0, 10**12
CONTEXT = SharedContext(export=EXPORT, policy=POLICY)
KEY = key_of(1)


class File:
    """A file with one entry in the first of its eight slots, opened to do harm."""

    def __init__(self, path: Path) -> None:
        with SharedCacheWriter.open(path, 8, TTL, clock=Clock(NOW)) as writer:
            writer.use(CONTEXT, "onnx")
            writer.publish(KEY, prediction(1))
            self.fingerprint, self.first = writer.fingerprint, writer.geometry.slots_offset
        self.path = path
        with path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        self.words = memoryview(self.map).cast("Q")
        self.tag, self.sequence = TAGS_OFFSET // WORD, self.first // WORD

    def copy(self, slot: int, turn: int, *, expiry: int, tag: bool) -> None:
        """Put a second entry of the same image into another slot."""
        start = self.first + slot * SLOT_BYTES
        self.map[start : start + SLOT_BYTES] = pack_entry(
            prediction(1, turn), KEY, fingerprint=self.fingerprint, sequence=2, expiry=expiry
        )
        if tag:
            self.words[self.tag + slot] = self.words[self.tag]

    def reopened(self, seconds: float = 0.0) -> SharedCacheWriter:
        clock = Clock(NOW)
        clock.move(seconds)
        return SharedCacheWriter.open(self.path, 8, TTL, clock=clock)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "cache")


def test_an_intact_slot_gets_the_tag_that_was_not_stored_yet(file: File) -> None:
    file.words[file.tag] = 0
    with file.reopened() as writer:
        assert writer.get(KEY) == prediction(1)
        assert writer.statistics().entries == 1


def _leave_odd(file: File) -> None:
    file.words[file.sequence] += 1


def _leave_whole_but_odd(file: File) -> None:
    file.words[file.sequence] -= 1


def _tear(file: File) -> None:
    file.map[file.first + 300] ^= 1


def _leave_half_cleared(file: File) -> None:
    file.words[file.sequence] += 2


@pytest.mark.parametrize("harm", [_leave_odd, _leave_whole_but_odd, _tear, _leave_half_cleared])
def test_a_slot_that_is_not_whole_becomes_empty_with_a_sequence_of_its_own(
    file: File, harm: Callable[[File], None]
) -> None:
    harm(file)
    before = file.words[file.sequence]
    with file.reopened() as writer:
        assert writer.get(KEY) is None
        statistics = writer.statistics()
        assert (statistics.entries, statistics.counts["dropped"]) == (0, 1)
        assert file.words[file.tag] == 0
        assert file.words[file.sequence] % 2 == 0
        assert file.words[file.sequence] > before
        assert not look(file.path).intact
        writer.publish(KEY, prediction(1, turn=1))
        assert writer.get(KEY) == prediction(1, turn=1)


def test_a_whole_body_under_an_odd_sequence_does_not_come_back_later(file: File) -> None:
    """The next even number is the one it was sealed for: with that it would pass for intact at the next restart."""
    file.words[file.sequence] -= 1
    file.reopened().close()
    with file.reopened() as writer:
        assert writer.statistics().entries == 0


def test_what_has_expired_is_dropped(file: File) -> None:
    with file.reopened(TTL) as writer:
        assert (writer.statistics().entries, writer.statistics().counts["expired"]) == (0, 1)
        assert not look(file.path).intact


@pytest.mark.parametrize("tag", [True, False])
def test_of_two_entries_of_one_image_the_newer_stays(file: File, tag: bool) -> None:
    file.copy(5, 1, expiry=file.words[file.sequence + 4] + 1, tag=tag)
    with file.reopened() as writer:
        assert writer.get(KEY) == prediction(1, turn=1)
        assert writer.statistics().entries == 1
        assert len(look(file.path).intact) == 1


@pytest.mark.parametrize(("later", "tag"), [(-1, True), (-1, False), (0, False)])
def test_an_older_one_or_one_without_a_tag_goes(file: File, later: int, tag: bool) -> None:
    file.copy(5, 1, expiry=file.words[file.sequence + 4] + later, tag=tag)
    with file.reopened() as writer:
        assert writer.get(KEY) == prediction(1)
        assert look(file.path).intact == {(file.fingerprint, KEY): {0}}


def test_a_cleared_slot_is_no_loss(file: File) -> None:
    file.words[file.tag] = 0
    file.words[file.sequence] += 2
    with file.reopened() as writer:
        assert writer.statistics().counts["dropped"] == 0


def test_a_fingerprint_without_its_context_is_not_valid(file: File) -> None:
    file.map[2 * 4096 : 6 * 4096] = bytes(4 * 4096)
    with file.reopened() as writer:
        assert writer.fingerprint == 0
        assert writer.get(KEY) is None
        writer.use(CONTEXT, "onnx")  # the entries themselves are whole
        assert writer.get(KEY) == prediction(1)
