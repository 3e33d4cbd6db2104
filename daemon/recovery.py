"""After a restart: which slots are intact, and what becomes of the others; every store is safe to be killed at."""

import zlib
from typing import Final

import msgspec

from daemon.segment import WriterSegment
from daemon.slots import EXPIRY_WORD, FINGERPRINT_WORD, SLOT_WORDS, TAGS, Slots
from vecroute._layout import IDENTITY, RESIDUE, SLOT_BYTES, WAYS, WORD

_KEY_WORD: Final = 3  # of a slot: the key's second word, which the tag is made of
_ZERO_TAG: Final = 1  # what stands for a tag of zero, which means empty


class Recovered(msgspec.Struct, frozen=True):
    """How many slots held an intact entry, a torn or damaged one, an expired one, a second of one identity."""

    kept: int
    dropped: int
    expired: int
    doubled: int


def recover(segment: WriterSegment, slots: Slots, now: int) -> Recovered:
    """Make every slot either intact and tagged or empty; entries count as used in the order in which they expire."""
    words, first = segment.words, segment.geometry.slots_offset // WORD
    kept = dropped = expired = doubled = latest = 0
    crc32, stamps, held = zlib.crc32, slots.stamps, slots.held
    seen: dict[bytes, int] = {}
    with memoryview(segment.map) as view:
        for slot in range(segment.geometry.entries):
            if not slot % WAYS:
                seen.clear()
            word, tag = first + slot * SLOT_WORDS, words[TAGS + slot]
            sequence, start = words[word], word * WORD
            if not sequence and not tag:
                continue  # never written
            if sequence & 1 or crc32(view[start : start + SLOT_BYTES]) != RESIDUE:
                if sequence & 1 or tag:  # else it was cleared
                    slots.empty(slot)
                    dropped += 1
                continue
            expiry = words[word + EXPIRY_WORD]
            if expiry <= now:
                slots.empty(slot)
                expired += 1
                continue
            identity = bytes(view[start + IDENTITY.start : start + IDENTITY.stop])
            other = seen.get(identity)
            if other is not None:
                doubled += 1
                # Killed between writing the newer and clearing the older one.
                if expiry < stamps[other] or (expiry == stamps[other] and not tag):
                    slots.empty(slot)
                    continue
                slots.clear(other)
                kept -= 1
            seen[identity] = slot
            held[words[word + FINGERPRINT_WORD]] += 1
            stamps[slot] = expiry
            latest = max(latest, expiry)
            kept += 1
            if not tag:
                segment.store.store_word(TAGS + slot, words[word + _KEY_WORD] or _ZERO_TAG)
    slots.clock = max(slots.clock, latest)
    return Recovered(kept, dropped, expired, doubled)
