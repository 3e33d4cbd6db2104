"""PNG data that ends before the header's last row is told here; Pillow leaves the rest as it was and says nothing."""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = 8
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_STEP = 1 << 24  # bytes inflated at a time: a bomb never lies unpacked in memory


def rows_missing(data: bytes) -> bool:
    """Tell whether a PNG that Pillow could read holds less pixel data than its header says.

    Interlaced files are passed: their rows come in seven passes, and Pillow reads those strictly.
    """
    width, height, depth, color, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, _SIGNATURE + 8)
    if interlaced:
        return False
    wanted: int = height * (1 + (width * depth * _CHANNELS.get(color, 1) + 7) // 8)
    return _inflated(data, wanted) < wanted


def _inflated(data: bytes, enough: int) -> int:
    """Return how many bytes the pixel data holds, counting no further than `enough`."""
    inflate = zlib.decompressobj()
    held = 0
    try:
        for chunk in _pixel_chunks(data):
            packed = chunk
            while packed and held < enough:
                held += len(inflate.decompress(packed, min(_STEP, enough - held)))
                packed = inflate.unconsumed_tail
    except zlib.error:
        return held
    return held


def _pixel_chunks(data: bytes) -> Iterator[bytes]:
    at = _SIGNATURE
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            yield data[at + 8 : at + 8 + size]
        at += size + 12
