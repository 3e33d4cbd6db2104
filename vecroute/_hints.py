"""A reader's word to the daemon about what it used: a byte per slot and one count; lost or wrong words cost little."""

import fcntl
import mmap
import os
from typing import Final

from vecroute._layout import WORD, BadSegment
from vecroute._mapping import map_shared

READERS: Final = 1024  # counters of local hits: one per reader
_MOST: Final = (1 << 64) - 1
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


def counters_offset(entries: int) -> int:
    """Return where the counters start: behind one byte per entry, aligned."""
    return -(-entries // WORD) * WORD


def hints_bytes(entries: int) -> int:
    """Return how large the hints of so many entries are."""
    return counters_offset(entries) + READERS * WORD


class Hints:
    """The daemon's memfd, mapped for writing; no descriptor belongs to it."""

    __slots__ = ("_counter", "_map", "_words", "entries")

    def __init__(self, descriptor: int, entries: int, reader: int | None) -> None:
        """Map it; the descriptor stays the caller's.

        Raises:
            BadSegment: it is not sealed against resizing (whoever shrinks it would kill us) or has another size.
        """
        try:
            sealed = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        except OSError as exc:
            raise BadSegment("the hints are no memfd") from exc
        if sealed & _SEALS != _SEALS or os.fstat(descriptor).st_size != hints_bytes(entries):
            raise BadSegment("the hints are not sealed or have another size")
        self.entries = entries
        try:
            self._map = map_shared(descriptor, hints_bytes(entries), mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as exc:
            raise BadSegment(f"the hints cannot be mapped ({exc.strerror})") from exc
        self._words = memoryview(self._map).cast("Q")
        self._counter = None
        if reader is not None and 0 <= reader < READERS:
            self._counter = counters_offset(entries) // WORD + reader

    def touch(self, slot: int) -> None:
        """Say that a slot was used."""
        if not self._map[slot]:  # most are set already: reading leaves the cache line with everybody
            self._map[slot] = 1
        if self._counter is not None:
            # Ours alone by agreement; whatever else is written there must not stop us.
            self._words[self._counter] = self._words[self._counter] + 1 & _MOST
