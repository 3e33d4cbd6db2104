"""One lookup in a mapped cache: tag line, one copy of the slot, checksum, identity, expiry; nothing else is read."""

import struct
import zlib
from typing import Final

from vecroute._context import SharedContext, find_context
from vecroute._hints import Hints
from vecroute._layout import (
    ALIVE,
    CONTEXT_OFFSET,
    EXPIRY,
    HEARTBEAT,
    HOT_OFFSET,
    IDENTITY,
    KIND_OFFSET,
    LINE,
    RESIDUE,
    SLOT_BYTES,
    STALE_NS,
    STATUS,
    TAGS_OFFSET,
    WAYS,
    WORD,
)
from vecroute._placement import place_of, ways_of
from vecroute._segment import Segment

# A copy is torn while the writer reuses its slot: rare. Four in a row mean a writer that died there, or a bad file.
MOST_TRIES: Final = 4

_HOT_WORDS: Final = struct.Struct("<QQQ")  # status, fingerprint, context
HOT: Final = slice(HOT_OFFSET, HOT_OFFSET + _HOT_WORDS.size)
_EXPIRY: Final = struct.Struct("<Q")
_EXPIRY_OFFSET: Final = EXPIRY.start
_IDENTITY_OFFSET: Final = IDENTITY.start


class View:
    """A file as its hot words describe it; good as long as they stay `hot` and it is not `alive_until`."""

    __slots__ = (
        "alive_until", "context", "fingerprint", "hints", "hot", "map", "seed", "segment", "sets", "slots_offset",
    )  # fmt: skip

    def __init__(
        self, segment: Segment, hot: bytes, alive_until: int, context: SharedContext, hints: Hints | None
    ) -> None:
        geometry = segment.geometry
        self.segment, self.map, self.hot, self.alive_until = segment, segment.map, hot, alive_until
        self.fingerprint = hot[8:16]
        self.seed, self.sets, self.slots_offset = geometry.seed, geometry.sets, geometry.slots_offset
        self.context, self.hints = context, hints

    def find(self, key: bytes, kind: int, now: int) -> bytes | None:
        """Return the checked copy of a key's slot, or None: absent, of another fingerprint, expired or damaged.

        Raises:
            struct.error: the key has not 16 bytes.
        """
        number, tag = place_of(key, self.seed, self.sets)
        start = TAGS_OFFSET + number * LINE
        at = self.map.find(tag, start, start + LINE)
        if at < 0:
            return None
        # Nearly always the first hit is it, so its way is written out; `_search` goes by all rules.
        way, unaligned = divmod(at - start, WORD)
        slot = self._copy(number * WAYS + way)
        if unaligned or zlib.crc32(slot) != RESIDUE or not self._is_wanted(slot, key, kind, now):
            return self._search(key, kind, now, number, tag)
        if self.hints is not None:
            self.hints.touch(number * WAYS + way)
        return slot

    def _search(self, key: bytes, kind: int, now: int, number: int, tag: bytes) -> bytes | None:
        """Return what `find` does, from every way with the tag; torn copies are taken again with their tag line."""
        start = TAGS_OFFSET + number * LINE
        for _ in range(MOST_TRIES):
            torn = False
            for way in ways_of(self.map[start : start + LINE], tag):
                slot = self._copy(number * WAYS + way)
                if zlib.crc32(slot) != RESIDUE:
                    torn = True
                elif self._is_wanted(slot, key, kind, now):
                    if self.hints is not None:
                        self.hints.touch(number * WAYS + way)
                    return slot
            if not torn:
                break
        return None

    def _copy(self, number: int) -> bytes:
        offset = self.slots_offset + number * SLOT_BYTES
        return self.map[offset : offset + SLOT_BYTES]

    def _is_wanted(self, slot: bytes, key: bytes, kind: int, now: int) -> bool:
        return (
            slot.startswith(self.fingerprint + key, _IDENTITY_OFFSET)
            and slot[KIND_OFFSET] == kind
            and _EXPIRY.unpack_from(slot, _EXPIRY_OFFSET)[0] > now
        )


def look(segment: Segment, now: int, hints: Hints | None) -> View | None:
    """Return the view of a file as it is now, or None: nothing in it is valid, or nobody keeps it any more."""
    for _ in range(MOST_TRIES):
        hot = segment.map[HOT]
        _, fingerprint, generation = _HOT_WORDS.unpack(hot)
        heartbeat = segment.words[HEARTBEAT]
        if not fingerprint or not is_kept(segment, now):
            return None
        context = find_context(segment.map[CONTEXT_OFFSET:TAGS_OFFSET], generation, fingerprint)
        if context is not None and segment.map[HOT] == hot:
            return View(segment, hot, heartbeat + STALE_NS, context, hints)
    return None


def is_kept(segment: Segment, now: int) -> bool:
    """Tell whether a daemon keeps this file: it is not superseded, and its heartbeat is neither old nor to come."""
    return segment.words[STATUS] == ALIVE and abs(now - segment.words[HEARTBEAT]) <= STALE_NS
