"""The entries of the shared cache: found, written, cleared, each by stores that leave no wrong value at any moment."""

import mmap
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Final

from daemon.segment import WriterSegment
from daemon.tally import Tally
from vecroute._entry import seal
from vecroute._layout import EXPIRY, IDENTITY, LINE, RESIDUE, SLOT_BYTES, TAGS_OFFSET, WAYS, WORD
from vecroute._placement import place_of, victim, ways_of

TAGS: Final = TAGS_OFFSET // WORD
SLOT_WORDS: Final = SLOT_BYTES // WORD
FINGERPRINT_WORD: Final = 1  # of a slot
EXPIRY_WORD: Final = 4
_MASK: Final = (1 << 64) - 1
_FINGERPRINT: Final = slice(8, 16)
_KEY: Final = slice(16, 32)
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
            copy = self.copy(first + way)
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
            self.held[self._words[self._first + slot * SLOT_WORDS + FINGERPRINT_WORD]] -= 1
            self.count_loss(slot, now, ttl)
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

    def take_over(self, other: "Slots", now: int, ttl: int) -> None:
        """Copy another file's entries while nobody reads this one: as many as their sets have room for.

        Valid ones come before those of other fingerprints, then those used last; sequences and CRCs stay as they are.
        """
        self.fingerprint, self.clock = other.fingerprint, other.clock
        filled = bytearray(self._sets)
        for slot in other.by_use(now):
            copy = other.copy(slot)
            number, tag = place_of(copy[_KEY], self._seed, self._sets)
            if filled[number] == WAYS:
                other.count_loss(slot, now, ttl)
                continue
            mine = number * WAYS + filled[number]
            filled[number] += 1
            self._store.store_bytes((self._first + mine * SLOT_WORDS) * WORD, copy)
            self._store.store_word(TAGS + mine, int.from_bytes(tag, "little"))
            self.stamps[mine] = other.stamps[slot]
            self.held[int.from_bytes(copy[_FINGERPRINT], "little")] += 1

    def by_use(self, now: int) -> list[int]:
        """Return the slots of all entries that have not expired: valid ones first, those used last first."""
        valid: list[int] = []
        others: list[int] = []
        for slot in range(len(self.stamps)):
            word = self._first + slot * SLOT_WORDS
            if self._words[TAGS + slot] and self._words[word + EXPIRY_WORD] > now:
                mine = self._words[word + FINGERPRINT_WORD] == self.fingerprint
                (valid if mine else others).append(slot)
        for slots in (valid, others):
            slots.sort(key=self.stamps.__getitem__, reverse=True)
        return valid + others

    def copy(self, slot: int) -> bytes:
        start = (self._first + slot * SLOT_WORDS) * WORD
        return self._map[start : start + SLOT_BYTES]

    def count_loss(self, slot: int, now: int, ttl: int) -> None:
        """Count an entry that has to make room, by what it still was."""
        word = self._first + slot * SLOT_WORDS
        expiry = self._words[word + EXPIRY_WORD]
        if expiry <= now:
            self._tally.add("expired")
        elif self._words[word + FINGERPRINT_WORD] == self.fingerprint:
            self._tally.add_evicted(ttl - (expiry - now))

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
