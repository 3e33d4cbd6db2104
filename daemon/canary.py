"""The canary: a small image made here, which must get a decision before the daemon calls itself ready."""

import struct
import zlib

SIDE = 32


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png() -> bytes:
    """Return a disc on transparent ground as a PNG."""
    centre = (SIDE - 1) / 2
    rows = bytearray()
    for y in range(SIDE):
        rows.append(0)  # no filter
        for x in range(SIDE):
            inside = (x - centre) ** 2 + (y - centre) ** 2 < (SIDE / 3) ** 2
            rows += b"\xd0\x30\x20\xff" if inside else b"\0\0\0\0"
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)  # 8 bits, RGBA
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(rows))), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


CANARY = _png()
