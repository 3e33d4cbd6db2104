"""Hints reach the daemon's memory, and only a memory that nobody can shrink is written to."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from vecroute._hints import READERS, Hints, counters_offset, hints_bytes
from vecroute._layout import BadSegment

ENTRIES = 12
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def memory(size: int = hints_bytes(ENTRIES), seals: int = SEALS) -> int:
    descriptor = os.memfd_create("hints", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


@pytest.fixture
def descriptor() -> Iterator[int]:
    made = memory()
    yield made
    os.close(made)


def counter(descriptor: int, reader: int) -> int:
    return int.from_bytes(os.pread(descriptor, 8, counters_offset(ENTRIES) + 8 * reader), "little")


def test_use_is_marked_and_counted(descriptor: int) -> None:
    hints = Hints(descriptor, ENTRIES, 3)
    for slot in (1, 11, 1):
        hints.touch(slot)
    assert os.pread(descriptor, ENTRIES, 0) == bytes([0, 1, *[0] * 9, 1])
    assert [counter(descriptor, reader) for reader in (2, 3, 4)] == [0, 3, 0]


def test_a_mark_that_is_set_is_left_alone(descriptor: int) -> None:
    os.pwrite(descriptor, b"\7", 5)
    Hints(descriptor, ENTRIES, None).touch(5)
    assert os.pread(descriptor, 1, 5) == b"\7"


@pytest.mark.parametrize("reader", [None, -1, READERS])
def test_without_a_counter_use_is_marked_all_the_same(descriptor: int, reader: int | None) -> None:
    Hints(descriptor, ENTRIES, reader).touch(0)
    assert os.pread(descriptor, hints_bytes(ENTRIES), 0) == b"\1".ljust(hints_bytes(ENTRIES), b"\0")


def test_the_last_counter_is_inside(descriptor: int) -> None:
    Hints(descriptor, ENTRIES, READERS - 1).touch(0)
    assert counter(descriptor, READERS - 1) == 1


def test_a_counter_goes_on_where_an_earlier_reader_left_it(descriptor: int) -> None:
    """Cells are handed out again: the daemon sees them grow, never fall."""
    Hints(descriptor, ENTRIES, 0).touch(0)
    Hints(descriptor, ENTRIES, 0).touch(0)
    assert counter(descriptor, 0) == 2


def test_hostile_bytes_there_stop_nobody(descriptor: int) -> None:
    os.pwrite(descriptor, b"\xff" * hints_bytes(ENTRIES), 0)
    Hints(descriptor, ENTRIES, 0).touch(0)
    assert counter(descriptor, 0) == 0


@pytest.mark.parametrize(
    ("size", "seals"),
    [
        pytest.param(hints_bytes(ENTRIES), 0, id="unsealed"),
        pytest.param(hints_bytes(ENTRIES), fcntl.F_SEAL_GROW, id="may shrink"),
        pytest.param(hints_bytes(ENTRIES) - 8, SEALS, id="too small"),
        pytest.param(hints_bytes(ENTRIES) + 8, SEALS, id="too large"),
        pytest.param(0, SEALS, id="empty"),
    ],
)
def test_what_could_be_pulled_from_under_us_is_refused(size: int, seals: int) -> None:
    descriptor = memory(size, seals)
    try:
        with pytest.raises(BadSegment, match="hints are not sealed or have another size"):
            Hints(descriptor, ENTRIES, 0)
    finally:
        os.close(descriptor)


def test_only_a_memfd_holds_hints() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(BadSegment, match="no memfd"):
            Hints(read, ENTRIES, 0)
    finally:
        os.close(read)
        os.close(write)


def test_a_descriptor_for_reading_only_is_refused(descriptor: int) -> None:
    reading = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
    try:
        with pytest.raises(BadSegment, match="cannot be mapped"):
            Hints(reading, ENTRIES, 0)
    finally:
        os.close(reading)
