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
from vecroute._placement import set_of, tag_of
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
        """Return the checked copy of a key's slot, or None: absent, of another fingerprint, expired or damaged."""
        number = set_of(key, self.seed, self.sets)
        tag = tag_of(key)
        for _ in range(MOST_TRIES):
            slot = self._copy(key, number, tag)
            if slot is not _TORN:
                break
        else:
            return None
        if slot is None or slot[KIND_OFFSET] != kind or _EXPIRY.unpack_from(slot, _EXPIRY_OFFSET)[0] <= now:
            return None
        return slot

    def _copy(self, key: bytes, number: int, tag: bytes) -> bytes | None:
        """Return the copy of the slot that holds a key, None if no slot does, `_TORN` if that cannot be known yet."""
        start = TAGS_OFFSET + number * LINE
        at = self.map.find(tag, start, start + LINE)
        torn = None
        while at >= 0:
            way, unaligned = divmod(at - start, WORD)
            if not unaligned:
                offset = self.slots_offset + (number * WAYS + way) * SLOT_BYTES
                slot = self.map[offset : offset + SLOT_BYTES]
                if zlib.crc32(slot) != RESIDUE:
                    torn = _TORN
                elif slot.startswith(self.fingerprint + key, _IDENTITY_OFFSET):
                    if self.hints is not None:
                        self.hints.touch(number * WAYS + way)
                    return slot
            at = self.map.find(tag, at + 1, start + LINE)
        return torn


_TORN: Final = b""


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
