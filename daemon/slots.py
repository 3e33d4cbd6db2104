"""The entries of the shared cache: found, written, cleared, each by stores that leave no wrong value at any moment."""

import mmap
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from daemon.segment import WriterSegment
from daemon.tally import Tally
from vecroute._entry import seal
from vecroute._layout import CRC_OFFSET, EXPIRY, IDENTITY, LINE, RESIDUE, SLOT_BYTES, TAGS_OFFSET, WAYS, WORD
from vecroute._placement import place_of, victim, ways_of

TAGS: Final = TAGS_OFFSET // WORD
SLOT_WORDS: Final = SLOT_BYTES // WORD
FINGERPRINT_WORD: Final = 1  # of a slot
EXPIRY_WORD: Final = 4
_MASK: Final = (1 << 64) - 1
_HEAD: Final = struct.Struct("<Q16sQ")  # how a body starts: fingerprint, key, expiry


def next_even(sequence: int) -> int:
    """Return the sequence word after the write that comes next."""
    return ((sequence | 1) + 1) & _MASK


class Slots:
    """The slots of one file by number (set times ways plus way), and in the writer's own memory when each was used.

    `fingerprint` is the one that readers go by now; `held` tells how many tagged entries each fingerprint has.
    """

    def __init__(self, segment: WriterSegment, tally: Tally) -> None:
        geometry = segment.geometry
        self._map, self._words, self._store = segment.map, segment.words, segment.store
        self._seed, self._sets = geometry.seed, geometry.sets
        self._first = geometry.slots_offset // WORD
        self._tally = tally
        # Anonymous pages come zeroed and only when touched: a large empty cache costs nothing here.
        self.stamps = memoryview(mmap.mmap(-1, geometry.entries * WORD)).cast("Q")
        self.clock = 0
        self.fingerprint = 0
        self.held: Counter[int] = Counter()

    def find(self, key: bytes, now: int) -> bytes | None:
        """Return the checked copy of a key's slot and mark its use; one that has expired is cleared."""
        number, tag = place_of(key, self._seed, self._sets)
        first = number * WAYS
        identity = self.fingerprint.to_bytes(8, "little") + key
        for way in ways_of(self._line(first), tag):
            start = (self._first + (first + way) * SLOT_WORDS) * WORD
            copy = self._map[start : start + SLOT_BYTES]
            if copy[IDENTITY] != identity or zlib.crc32(copy) != RESIDUE:
                continue
            if int.from_bytes(copy[EXPIRY], "little") <= now:
                self._tally.add("expired")
                self.clear(first + way)
                continue
            self._use(first + way)
            return copy
        return None

    def put(self, body: bytes, now: int, ttl: int) -> None:
        """Write an entry into the way that has to make room, then clear an older entry of the same identity."""
        fingerprint, key, _ = _HEAD.unpack_from(body)
        number, tag = place_of(key, self._seed, self._sets)
        first = number * WAYS
        line = self._line(first)
        older = [first + way for way in ways_of(line, tag) if self._is(first + way, body[:24])]
        for slot in older:
            self._use(slot)  # so that it stays readable until the new one is there
        slot = first + victim(line, self._dead(first, now), self.stamps[first : first + WAYS].tolist())
        if self._words[TAGS + slot]:
            self._leave(slot, now, ttl)
        self._write(slot, int.from_bytes(tag, "little"), body)
        self.held[fingerprint] += 1
        self._use(slot)
        for slot_of_old in older:
            if slot_of_old != slot:
                self.clear(slot_of_old)

    def clear(self, slot: int) -> None:
        """Empty a slot: no reader finds it any more, and recovery does not take it for intact."""
        self.held[self._words[self._first + slot * SLOT_WORDS + FINGERPRINT_WORD]] -= 1
        self.empty(slot)

    def empty(self, slot: int) -> None:
        """Do the same with a slot that `held` does not count."""
        word = self._first + slot * SLOT_WORDS
        self._store.store_word(TAGS + slot, 0)
        # Where a write was under way its whole body may be there, sealed for the next even number: that one is skipped.
        self._store.store_word(word, next_even(self._words[word] + 1 & _MASK))

    def touch(self, slots: Iterable[int]) -> None:
        """Mark uses that readers tell of; numbers that no slot has are passed over."""
        for slot in slots:
            if 0 <= slot < len(self.stamps):
                self._use(slot)

    def bodies_by_use(self, now: int) -> Iterator[bytes]:
        """Yield each entry that has not expired, without sequence and CRC, the one used longest ago first."""
        tagged = [slot for slot in range(len(self.stamps)) if self._words[TAGS + slot]]
        for slot in sorted(tagged, key=self.stamps.__getitem__):
            word = self._first + slot * SLOT_WORDS
            if self._words[word + EXPIRY_WORD] > now:
                yield self._map[(word + 1) * WORD : word * WORD + CRC_OFFSET]

    def close(self) -> None:
        self.stamps.release()

    def _line(self, first: int) -> bytes:
        start = TAGS_OFFSET + first * WORD
        return self._map[start : start + LINE]

    def _is(self, slot: int, identity: bytes) -> bool:
        start = (self._first + slot * SLOT_WORDS) * WORD
        return self._map[start + IDENTITY.start : start + IDENTITY.stop] == identity

    def _dead(self, first: int, now: int) -> list[bool]:
        start, current = self._first + first * SLOT_WORDS, self.fingerprint
        end = start + WAYS * SLOT_WORDS
        fingerprints = self._words[start + FINGERPRINT_WORD : end : SLOT_WORDS].tolist()
        expiries = self._words[start + EXPIRY_WORD : end : SLOT_WORDS].tolist()
        return [fingerprints[way] != current or expiries[way] <= now for way in range(WAYS)]

    def _leave(self, slot: int, now: int, ttl: int) -> None:
        """Count an entry that makes room."""
        word = self._first + slot * SLOT_WORDS
        fingerprint, expiry = self._words[word + FINGERPRINT_WORD], self._words[word + EXPIRY_WORD]
        self.held[fingerprint] -= 1
        if expiry <= now:
            self._tally.add("expired")
        elif fingerprint == self.fingerprint:
            self._tally.add_evicted(ttl - (expiry - now))

    def _write(self, slot: int, tag: int, body: bytes) -> None:
        store, word = self._store, self._first + slot * SLOT_WORDS
        sequence = next_even(self._words[word])
        sealed = seal(body, sequence)
        store.store_word(TAGS + slot, 0)
        store.store_word(word, sequence - 1 & _MASK)
        store.store_bytes((word + 1) * WORD, sealed[WORD:])
        store.store_word(word, sequence)
        store.store_word(TAGS + slot, tag)

    def _use(self, slot: int) -> None:
        self.clock += 1
        self.stamps[slot] = self.clock
