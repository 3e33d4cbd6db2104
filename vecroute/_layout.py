"""Where everything lies in the shared cache's file; docs/shared-cache.md draws it. No memory is touched here.

A page of geometry and hot words, a page of counters, four context blocks, one tag line per set, then the slots. All
words are little-endian and aligned. A slot's CRC covers its sequence word, so a copy that passes it was never torn.
"""

import struct
import sys
import zlib
from typing import Final

import msgspec

from vecroute.errors import VecrouteError

MAGIC: Final = b"VRCACHE\0"
ABI_MAJOR: Final = 1  # readers refuse another
ABI_MINOR: Final = 1  # readers take any; 1: with the speed
ENDIANNESS: Final = 0x01020304
CHECKSUM_CRC32: Final = 1
RESIDUE: Final = 0x2144DF1C  # CRC-32 of any data followed by its own little-endian CRC-32

WAYS: Final = 8
WORD: Final = 8
LINE: Final = 64
PAGE: Final = 4096
LARGEST_ENTRIES: Final = 10_000_000

# The header's geometry never changes while the file lives.
_GEOMETRY: Final = struct.Struct("<8sHHIIIIIQQQIIQ16s16sQII")
GEOMETRY_BYTES: Final = _GEOMETRY.size
HEADER_BYTES: Final = PAGE + PAGE  # geometry and hot words; counters

# Word numbers (offset / 8) of what changes; what every look needs is on one cache line.
HOT_OFFSET: Final = 192
STATUS: Final = HOT_OFFSET // WORD
FINGERPRINT: Final = STATUS + 1  # 0: nothing is valid
CONTEXT: Final = STATUS + 2  # grows whenever a context block has changed
HEARTBEAT: Final = STATUS + 3  # CLOCK_BOOTTIME, ns
SYSTEM_LOAD: Final = STATUS + 4  # float64, 0..1
AVAILABILITY: Final = STATUS + 5  # float64, 0..1
LANE: Final = STATUS + 6  # index into LANES
EPOCH: Final = STATUS + 7  # grows with each flush
SPEED: Final = STATUS + 8  # two words: per method one float32, measured seconds / predicted; 0: not told
SPEED_WORDS: Final = 2

ALIVE: Final = 1
SUPERSEDED: Final = 2
LANES: Final = ("base", "onnx", "torchscript")

# After this long without a heartbeat nobody keeps the cache, and its word on the host is old.
STALE_NS: Final = 10_000_000_000

COUNTERS_OFFSET: Final = PAGE
COUNTERS: Final = (
    "published", "evicted", "expired", "recovered", "dropped", "flushed", "swapped", "hits", "misses", "local_hits",
)  # fmt: skip
# Histograms beside them, by the power of two of an entry's age in seconds.
AGE_BUCKETS: Final = 24
EVICTED_AGES: Final = COUNTERS_OFFSET // WORD + 32

CONTEXTS: Final = 4
CONTEXT_OFFSET: Final = HEADER_BYTES
CONTEXT_BYTES: Final = PAGE
CONTEXT_HEAD: Final = struct.Struct("<QII")  # fingerprint, length of the JSON text, CRC-32 of both and the text
TAGS_OFFSET: Final = CONTEXT_OFFSET + CONTEXTS * CONTEXT_BYTES

# A slot: sequence (odd while it is written), fingerprint, key, expiry; kind, lane, candidates, base methods;
# seconds of the prediction; methods; estimates; plans; base table; CRC-32.
SLOT_BYTES: Final = 704
SEQUENCE: Final = struct.Struct("<Q")
SLOT_HEAD: Final = struct.Struct("<QQ16sQBBBBf")
IDENTITY: Final = slice(8, 32)  # fingerprint and key: what a reader compares
EXPIRY: Final = slice(32, 40)
KIND_OFFSET: Final = 40
LANE_OFFSET: Final = 41
METHODS_OFFSET: Final = 48
ESTIMATES_OFFSET: Final = 56
PLANS_OFFSET: Final = 248
BASE_OFFSET: Final = 440
CRC_OFFSET: Final = 700
KIND_PREDICTION: Final = 1
KIND_PLAN: Final = 2
LATE: Final = 0x80  # beside the lane's index

HASH_BYTES: Final = 16
ENTRY_BYTES: Final = SLOT_BYTES + WORD + 1  # slot, tag, hint: what one more entry costs


class BadSegment(VecrouteError):
    """A file is no shared cache that this version can read."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no usable shared cache: {reason}; restart the daemon to have it made anew")
        self.reason = reason


class Geometry(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the header that never changes.

    `sets` of `WAYS` slots; `seed` random, so that nobody can aim at a set; `instance` names this file; `boot` the boot
    it was made in; `created` CLOCK_BOOTTIME, ns.
    """

    sets: int
    seed: int
    instance: bytes
    boot: bytes
    created: int = 0
    writer: int = 0

    @property
    def entries(self) -> int:
        """How many entries have room."""
        return self.sets * WAYS

    @property
    def slots_offset(self) -> int:
        return TAGS_OFFSET + self.sets * LINE

    @property
    def file_bytes(self) -> int:
        return self.slots_offset + self.entries * SLOT_BYTES

    def tag_line(self, number: int) -> int:
        """Return the offset of a set's tag line."""
        return TAGS_OFFSET + number * LINE

    def slot(self, number: int, way: int) -> int:
        """Return the offset of a slot."""
        return self.slots_offset + (number * WAYS + way) * SLOT_BYTES


def geometry_for(entries: int, *, seed: int, instance: bytes, boot: bytes, created: int, writer: int) -> Geometry:
    """Return the geometry with room for at least so many entries."""
    sets = -(-min(max(entries, 1), LARGEST_ENTRIES) // WAYS)
    return Geometry(sets=sets, seed=seed, instance=instance, boot=boot, created=created, writer=writer)


def pack_geometry(geometry: Geometry) -> bytes:
    """Return the header's first bytes, with their CRC."""
    packed = _GEOMETRY.pack(
        MAGIC, ABI_MAJOR, ABI_MINOR, ENDIANNESS, HEADER_BYTES, SLOT_BYTES, geometry.sets, WAYS, geometry.file_bytes,
        TAGS_OFFSET, geometry.slots_offset, CHECKSUM_CRC32, CONTEXTS, geometry.seed, geometry.instance, geometry.boot,
        geometry.created, geometry.writer, 0,
    )  # fmt: skip
    return packed[:-4] + zlib.crc32(packed[:-4]).to_bytes(4, "little")


def unpack_geometry(header: bytes, file_bytes: int) -> Geometry:
    """Return the geometry of a file of `file_bytes` bytes, all checked.

    Raises:
        BadSegment: another format, version or byte order, a damaged header, or a file of the wrong size.
    """
    if len(header) < GEOMETRY_BYTES:
        raise BadSegment("the file is shorter than its header")
    (
        magic, major, _minor, endianness, header_bytes, slot_bytes, sets, ways, size, tags, slots, checksum, contexts,
        seed, instance, boot, created, writer, crc,
    ) = _GEOMETRY.unpack_from(header)  # fmt: skip
    if magic != MAGIC:
        raise BadSegment("the file is of another kind")
    if endianness != ENDIANNESS or sys.byteorder != "little":
        raise BadSegment("it was written with another byte order")
    if major != ABI_MAJOR:
        raise BadSegment(f"its layout has version {major}, this is {ABI_MAJOR}")
    if zlib.crc32(header[: GEOMETRY_BYTES - 4]) != crc:
        raise BadSegment("its header is damaged")
    geometry = Geometry(sets=sets, seed=seed, instance=instance, boot=boot, created=created, writer=writer)
    expected = (HEADER_BYTES, SLOT_BYTES, WAYS, TAGS_OFFSET, CHECKSUM_CRC32, CONTEXTS)
    if (header_bytes, slot_bytes, ways, tags, checksum, contexts) != expected or slots != geometry.slots_offset:
        raise BadSegment("its geometry is not the one of its version")
    if not 1 <= sets <= LARGEST_ENTRIES // WAYS or size != geometry.file_bytes or file_bytes != size:
        raise BadSegment(f"it holds {file_bytes} bytes where its header says {size}")
    return geometry
