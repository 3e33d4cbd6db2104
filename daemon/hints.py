"""Readers may say which entries they used, and how often, in a memfd: nobody can resize it, nobody is trusted.

One byte a slot, set to 1 on use; then, 8-aligned, a counter of local hits per reader. Whatever else somebody writes
there can only make an entry live longer or a count wrong.
"""

import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterator

import numpy as np

from daemon.images import Descriptor

CELLS = 1024
# Slots looked at in one go: with all of them marked, touching takes some milliseconds.
CHUNK = 16_384
# More local hits than a reader can make between two looks; what is above was not counted but made up.
MOST_HITS = 100_000_000
_CELL = 8
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Hints:
    """The memfd, mapped; `descriptor` is what readers get.

    Raises:
        OSError: there is no memory for it.
    """

    def __init__(self, entries: int) -> None:
        cells = -(-entries // _CELL) * _CELL
        size = cells + CELLS * _CELL
        self.descriptor = Descriptor(os.memfd_create("vecroute-hints", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        number = self.descriptor.fileno()
        # Reserved at once: a reader that marks a page which is not there would die for want of memory.
        os.posix_fallocate(number, 0, size)
        fcntl.fcntl(number, fcntl.F_ADD_SEALS, _SEALS)
        mapping = mmap.mmap(number, size)
        self.entries = entries
        self._marks = np.frombuffer(mapping, np.uint8, entries)
        self._cells = np.frombuffer(mapping, np.uint64, CELLS, cells)
        self._seen = np.zeros(CELLS, np.uint64)
        # Those given back come last: their readers may go on counting for a while.
        self._free = deque(range(CELLS))

    def take_cell(self) -> int | None:
        """Return a counter for one reader, set to 0, or None if all are taken."""
        if not self._free:
            return None
        cell = self._free.popleft()
        self._cells[cell] = self._seen[cell] = 0
        return cell

    def give_back(self, cell: int) -> None:
        """Let another reader have the counter."""
        self._free.append(cell)

    def marked(self) -> Iterator[list[int]]:
        """Return the slots used since the last look, in parts; between two there is time for other things."""
        for start in range(0, self.entries, CHUNK):
            part = self._marks[start : start + CHUNK]
            found = np.flatnonzero(part)
            part[found] = 0
            yield (found + start).tolist()

    def count_hits(self) -> int:
        """Return the local hits since the last look."""
        now = self._cells.copy()
        grown = np.where(now >= self._seen, now - self._seen, now)
        self._seen = now
        return int(np.minimum(grown, MOST_HITS).sum())
