"""A PNG whose data ends early is told from one that is merely empty at the bottom."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from router import _decode
from router.errors import DamagedImage
from router.pixels import decode


def _png(width: int, height: int, *, rows: int, color: int, tail: bytes = b"") -> bytes:
    """Return a PNG whose header says `height` rows and whose data holds `rows`, all pixels grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    packed = zlib.compress((b"\0" + b"\xc8" * (width * channels)) * rows) + tail
    half = len(packed) // 2  # two chunks, as encoders of large images write
    body = chunk(b"IDAT", packed[:half]) + chunk(b"IDAT", packed[half:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("color", [0, 2, 4, 6])
def test_a_header_with_more_rows_than_the_data_is_refused(color: int) -> None:
    assert decode(_png(20, 20, rows=20, color=color)).shape == (20, 20, 4)
    with pytest.raises(DamagedImage, match=r"its header says 40 rows, its data holds fewer"):
        decode(_png(20, 40, rows=20, color=color))


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("colour", [0, 251])
@pytest.mark.parametrize("mode", ["RGBA", "RGB", "P", "1", "LA", "L", "I;16"])
def test_an_image_of_one_colour_is_no_lie(mode: str, colour: int) -> None:
    image = Image.new(mode, (33, 7), colour)
    expected = image.convert("RGBA") if mode != "I;16" else Image.new("RGBA", (33, 7), "black")
    assert np.array_equal(decode(_encoded(image)), np.asarray(expected))


def test_an_image_empty_at_the_bottom_is_not_inflated_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_decode, "rows_missing", lambda data: pytest.fail("inflated again"))
    assert decode(_encoded(Image.new("RGBA", (33, 7)))).shape == (7, 33, 4)


def test_an_interlaced_image_of_zeros_is_passed() -> None:
    data = bytearray(_png(4, 4, rows=4, color=6))
    data[28] = 1  # the header's interlace method
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(DamagedImage):  # Pillow itself reads the seven passes strictly
        decode(bytes(data))
