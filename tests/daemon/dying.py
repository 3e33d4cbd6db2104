"""Writers of the shared cache that are killed at a store, and a look at a file that shares no code with them."""

import os
import signal
import zlib
from pathlib import Path
from typing import ClassVar

import msgspec

from daemon.words import Words
from vecroute._entry import unpack_entry
from vecroute._layout import EPOCH, FINGERPRINT, GEOMETRY_BYTES, RESIDUE, SLOT_BYTES, WAYS, WORD, unpack_geometry
from vecroute._placement import set_of, tag_of

Entry = tuple[int, bytes]  # fingerprint, key


class DyingWords(Words):
    """Words whose process is killed before the n-th store from now; many bytes count as two stores."""

    __slots__ = ()
    left: ClassVar[int] = 0  # 0: it lives on

    def store_word(self, number: int, value: int) -> None:
        _count()
        super().store_word(number, value)

    def store_bytes(self, offset: int, data: bytes) -> None:
        half = len(data) // 2
        _count()
        super().store_bytes(offset, data[:half])
        _count()
        super().store_bytes(offset + half, data[half:])


def _count() -> None:
    if DyingWords.left:
        DyingWords.left -= 1
        if not DyingWords.left:
            os.kill(os.getpid(), signal.SIGKILL)


class Left(msgspec.Struct, frozen=True):
    """What a file holds: each intact entry with the turns of its predictions, and which of them have their tag."""

    entries: int
    fingerprint: int
    epoch: int
    intact: dict[Entry, set[int]]
    tagged: set[Entry]


def look(path: Path) -> Left:
    """Return what a file's bytes say."""
    data = path.read_bytes()
    geometry = unpack_geometry(data[:GEOMETRY_BYTES], len(data))
    words = memoryview(data).cast("Q")
    intact: dict[Entry, set[int]] = {}
    tagged = set()
    for slot in range(geometry.entries):
        number, way = divmod(slot, WAYS)
        copy = data[geometry.slot(number, way) : geometry.slot(number, way) + SLOT_BYTES]
        if zlib.crc32(copy) != RESIDUE or copy[0] & 1:
            continue
        entry = int.from_bytes(copy[8:16], "little"), copy[16:32]
        assert set_of(entry[1], geometry.seed, geometry.sets) == number
        intact.setdefault(entry, set()).add(turn_of(unpack_entry(copy, None, "").prediction_seconds))
        at = geometry.tag_line(number) + way * WORD
        if data[at : at + WORD] == tag_of(entry[1]):
            tagged.add(entry)
    return Left(geometry.entries, words[FINGERPRINT], words[EPOCH], intact, tagged)


def turn_of(marker: float) -> int:
    """Return the turn that `predictions.prediction` was told."""
    return int(marker) % 256
