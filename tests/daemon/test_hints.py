"""Hints: a sealed memfd in which nothing that readers write can do harm."""

import mmap
import os

import pytest

from daemon.hints import CELLS, CHUNK, MOST_HITS, Hints
from vecroute._hints import Hints as ReadersHints
from vecroute._hints import hints_bytes


def _mapped(hints: Hints) -> mmap.mmap:
    return mmap.mmap(hints.descriptor.fileno(), hints_bytes(hints.entries))


def _slots(hints: Hints) -> list[int]:
    return [slot for part in hints.marked() for slot in part]


def test_what_a_reader_used_is_told_once() -> None:
    hints = Hints(2 * CHUNK + 8)
    cell = hints.take_cell()
    reader = ReadersHints(hints.descriptor.fileno(), hints.entries, cell)
    for slot in (0, 7, CHUNK, 2 * CHUNK + 7, 7):
        reader.touch(slot)
    assert _slots(hints) == [0, 7, CHUNK, 2 * CHUNK + 7]
    assert _slots(hints) == []
    assert (hints.count_hits(), hints.count_hits()) == (5, 0)


def test_nobody_can_resize_it_or_seal_it_against_writing() -> None:
    number = Hints(8).descriptor
    for size in (0, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(number.fileno(), size)
    assert not os.get_inheritable(number.fileno())


def test_whatever_is_written_counts_are_bounded_and_slots_exist() -> None:
    hints = Hints(16)
    shared = _mapped(hints)
    shared[:] = b"\xff" * len(shared)
    assert _slots(hints) == list(range(16))
    assert hints.count_hits() == CELLS * MOST_HITS
    shared[:] = bytes(len(shared))  # the counters fall: a new reader's, who began at 0
    assert hints.count_hits() == 0


def test_each_reader_has_a_counter_of_its_own_while_there_are_any() -> None:
    hints = Hints(8)
    assert [hints.take_cell() for _ in range(CELLS + 1)] == [*range(CELLS), None]
    hints.give_back(5)
    _mapped(hints)[8 + 5 * 8] = 9  # its last reader still counts
    assert hints.take_cell() == 5
    assert hints.count_hits() == 0
