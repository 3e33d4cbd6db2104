"""Which set a key belongs to, which way holds it and which way must go; pure, so readers, writer and tests share it."""

import struct
from collections.abc import Sequence
from typing import Final

from vecroute._layout import WAYS, WORD

_MIX: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: spreads what the seed has changed (Knuth, 6.4)
_MASK: Final = (1 << 64) - 1
EMPTY: Final = bytes(WORD)
_KEY: Final = struct.Struct("<QQ")


def place_of(key: bytes, seed: int, sets: int) -> tuple[int, bytes]:
    """Return `set_of` and `tag_of` in one, for those in a hurry.

    Raises:
        struct.error: the key has not 16 bytes.
    """
    first, second = _KEY.unpack(key)
    number = ((((first ^ seed) * _MIX & _MASK) >> 32) * sets) >> 32
    return number, key[8:] if second else tag_of(key)


def set_of(key: bytes, seed: int, sets: int) -> int:
    """Return the number of a key's set: the key's first word mixed with the seed, scaled to the number of sets."""
    mixed = ((int.from_bytes(key[:8], "little") ^ seed) * _MIX) & _MASK
    return ((mixed >> 32) * sets) >> 32


def tag_of(key: bytes) -> bytes:
    """Return what a tag line holds for a key: its second word, never the one that means empty."""
    tag = key[8:16]
    return tag if tag != EMPTY else b"\1" + tag[1:]


def ways_of(line: bytes, tag: bytes) -> list[int]:
    """Return the ways of a set whose tag is this one; a tag is a hint, the slot decides."""
    ways = []
    place = line.find(tag)  # nearly always nowhere
    while place >= 0:
        way, off = divmod(place, WORD)
        if not off:
            ways.append(way)
        place = line.find(tag, (way + 1) * WORD)
    return ways


def victim(line: bytes, dead: Sequence[bool], used: Sequence[int]) -> int:
    """Return the way that makes room: an empty one, else a dead one, else the one used longest ago.

    `dead`: entries that no reader would take now (expired, or of another fingerprint); among them, too, the oldest.
    `used`: a number per way that grows with its last use.
    """
    empty = ways_of(line, EMPTY)
    if empty:
        return empty[0]
    ways = [way for way in range(WAYS) if dead[way]] if True in dead else range(WAYS)
    return min(ways, key=used.__getitem__)
