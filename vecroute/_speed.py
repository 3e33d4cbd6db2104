"""How fast the host runs each method, as the shared cache's file holds it: four numbers of single precision."""

import functools
import struct
from typing import Final

from router import METHODS

# No host is believed to be further from the one that labels were measured on.
LEAST, MOST = 1 / 8, 8.0

_NUMBERS: Final = struct.Struct(f"<{len(METHODS)}f")
_WORDS: Final = struct.Struct(f"<{len(METHODS) // 2}Q")
AS_PREDICTED: Final = (1.0,) * len(METHODS)
SPEED_BYTES: Final = _NUMBERS.size


def speed_words(speed: tuple[float, ...]) -> tuple[int, ...]:
    """Return the words that hold a `Host.speed`."""
    return _WORDS.unpack(_NUMBERS.pack(*(speed or AS_PREDICTED)))


@functools.lru_cache(maxsize=16)  # it changes once a second at most: 0.1 us instead of 1
def speed_of(data: bytes) -> tuple[float, ...]:
    """Return the `Host.speed` in `SPEED_BYTES` bytes; what no daemon would write, zero above all, counts as 1."""
    return plain_speed(tuple(n if LEAST <= n <= MOST else 1.0 for n in _NUMBERS.unpack(data)))


def plain_speed(speed: tuple[float, ...]) -> tuple[float, ...]:
    """Return a speed as decisions want it: in single precision, and empty if it changes nothing."""
    single: tuple[float, ...] = _NUMBERS.unpack(_NUMBERS.pack(*speed))
    return () if single == AS_PREDICTED else single
