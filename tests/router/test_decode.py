"""Every image format becomes upright RGBA; everything else becomes a typed error before it costs anything."""

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from router.errors import DamagedImage, ImageTooLarge, InvalidImage, NotAnImage
from router.pixels import MAX_BYTES, MAX_PIXELS, Pixels, decode
from tests.router.drawings import SIDE, disc, encoded, plain, ramp

EXAMPLES = sorted(p for p in Path("examples").iterdir() if p.suffix in {".png", ".jpg", ".gif", ".webp"})
DISC, OPAQUE = disc(soft=2, alpha=True), disc()
FLAT = Image.fromarray(OPAQUE).convert("RGB")


def close(left: Pixels, right: Pixels, most: float) -> bool:
    """Tell whether two pictures differ by less than `most` steps on average."""
    return left.shape == right.shape and float(np.abs(left.astype(int) - right.astype(int)).mean()) <= most


@pytest.mark.parametrize(
    ("fmt", "picture", "options", "most"),
    [
        pytest.param("PNG", DISC, {}, 0, id="PNG with alpha"),
        pytest.param("PNG", FLAT, {}, 0, id="PNG without"),
        pytest.param("PNG", FLAT.convert("L"), {}, 60, id="PNG grey"),
        pytest.param("PNG", FLAT.convert("1"), {}, 80, id="PNG black and white"),
        pytest.param("PNG", FLAT.quantize(8), {}, 2, id="PNG palette"),
        pytest.param("WEBP", DISC, {"lossless": True, "exact": True}, 0, id="WebP lossless"),
        pytest.param("WEBP", FLAT, {"quality": 90}, 6, id="WebP lossy"),
        pytest.param("JPEG", FLAT, {"quality": 95}, 4, id="JPEG"),
        pytest.param("JPEG", FLAT, {"quality": 95, "progressive": True}, 4, id="JPEG progressive"),
        pytest.param("JPEG", FLAT.convert("CMYK"), {"quality": 95}, 6, id="JPEG CMYK"),
        pytest.param("GIF", FLAT, {}, 2, id="GIF"),
        pytest.param("BMP", FLAT, {}, 0, id="BMP"),
        pytest.param("BMP", FLAT.quantize(8), {}, 2, id="BMP palette"),
        pytest.param("TIFF", DISC, {}, 0, id="TIFF with alpha"),
        pytest.param("TIFF", FLAT, {"compression": "tiff_lzw"}, 0, id="TIFF LZW"),
        pytest.param("TIFF", FLAT.convert("CMYK"), {}, 1, id="TIFF CMYK"),
    ],
)
def test_formats(fmt: str, picture: Any, options: dict[str, Any], most: float) -> None:
    expected = picture if isinstance(picture, np.ndarray) else OPAQUE
    got = decode(encoded(picture, fmt, **options))
    assert got.dtype == np.uint8
    assert close(got, expected, most)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_decode(path: Path) -> None:
    pixels = decode(path.read_bytes())
    assert pixels.shape[2] == 4
    if "transparent" in path.name:
        assert 0 < (pixels[..., 3] > 0).mean() < 1


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 14
    assert {p.suffix for p in EXAMPLES} == {".png", ".jpg", ".gif", ".webp"}


# ------------------------------------------------------------------ deep, palette, animated, turned
def deep_grey() -> Image.Image:
    """Return a 16-bit grey ramp."""
    return Image.fromarray(np.tile(np.arange(0, 65536, 256, dtype=np.uint16), (8, 1)))


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(fmt: str) -> None:
    pixels = decode(encoded(deep_grey(), fmt))
    assert pixels[0, :, 0].tolist() == list(range(256))
    assert (pixels[..., 3] == 255).all()


def test_float_grey_is_clipped() -> None:
    image = Image.fromarray(np.array([[-5.0, 0.0, 100.4, 300.0]], dtype=np.float32))
    assert decode(encoded(image, "TIFF"))[0, :, 0].tolist() == [0, 0, 100, 255]


def png(width: int, height: int, depth: int, color_type: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG written by hand, for what Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def test_sixteen_bit_rgb() -> None:
    row = b"\x00" + struct.pack(">6H", 65535, 0, 32768, 256, 512, 65280)
    pixels = decode(png(2, 1, 16, 2, row))
    assert pixels.tolist() == [[[255, 0, 128, 255], [1, 2, 255, 255]]]


def test_sixteen_bit_rgba() -> None:
    row = b"\x00" + struct.pack(">4H", 65535, 0, 32768, 16384)
    assert decode(png(1, 1, 16, 6, row)).tolist() == [[[255, 0, 128, 64]]]


def test_palette_with_transparency() -> None:
    palette, alpha = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]), bytes([255, 128, 0])
    pixels = decode(png(3, 1, 8, 3, b"\x00\x00\x01\x02", (b"PLTE", palette), (b"tRNS", alpha)))
    assert pixels.tolist() == [[[255, 0, 0, 255], [0, 255, 0, 128], [0, 0, 255, 0]]]


def test_one_transparent_colour_of_rgb() -> None:
    rows = b"\x00" + bytes([9, 8, 7, 1, 2, 3])
    pixels = decode(png(2, 1, 8, 2, rows, (b"tRNS", struct.pack(">3H", 9, 8, 7))))
    assert pixels[0, :, 3].tolist() == [0, 255]


@pytest.mark.parametrize("fmt", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_counts(fmt: str) -> None:
    first, second = (Image.fromarray(plain(c)).convert("RGB") for c in ((250, 0, 0), (0, 0, 250)))
    pixels = decode(encoded(first, fmt, save_all=True, append_images=[second]))
    assert close(pixels, plain((250, 0, 0)), 3)


def test_a_gifs_transparent_ground_stays_transparent() -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((0, 0), 0)
    assert decode(encoded(image, "GIF", transparency=0))[0, :, 3].tolist() == [0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(fmt: str, orientation: int) -> None:
    upright = np.zeros((32, 64, 3), dtype=np.uint8)
    upright[:16, :32] = 255  # the upper left quarter is white
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(Image.fromarray(np.ascontiguousarray(stored)), fmt, exif=exif))
    assert pixels.shape == (32, 64, 4)
    assert pixels[4, 4, 0] > 200
    assert max(pixels[4, 60, 0], pixels[28, 4, 0], pixels[28, 60, 0]) < 50


@pytest.mark.parametrize(("width", "height"), [(1, 1), (4, 3000), (3000, 4), (1, 2)])
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_odd_shapes(fmt: str, width: int, height: int) -> None:
    assert decode(encoded(Image.new("RGB", (width, height), "red"), fmt)).shape == (height, width, 4)


def test_fully_transparent() -> None:
    assert not decode(encoded(plain(alpha=0)))[..., 3].any()


# ------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello, world", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
        pytest.param(b"%PDF-1.7\n", id="PDF"),
        pytest.param(b"\x00" * 4096, id="zeros"),
        pytest.param(encoded(FLAT, "PPM"), id="a format that is not ours"),
        pytest.param(encoded(FLAT, "ICO"), id="an icon file"),
    ],
)
def test_not_an_image(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="give PNG, JPEG, WebP, GIF, BMP or TIFF"):
        decode(data)


NOISE = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated(fmt: str, share: float) -> None:
    data = encoded(Image.fromarray(NOISE), fmt)
    with pytest.raises((DamagedImage, NotAnImage)):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_cut_after_the_first_bytes(fmt: str) -> None:
    data = encoded(Image.fromarray(NOISE), fmt)
    for length in range(1, 64):
        with pytest.raises(InvalidImage):
            decode(data[:length])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(64, 64, 8, 2, b"\x00" * 100), id="promises more pixels than it has"),
        pytest.param(png(0, 64, 8, 2, b""), id="no width"),
        pytest.param(png(64, 0, 8, 2, b""), id="no height"),
        pytest.param(b"GIF89a" + bytes(7) + b"," + bytes(9) + b"\x02\x02\x4c\x01\x00;", id="a GIF without area"),
        pytest.param(png(4, 4, 3, 2, b"\x00" * 64), id="depth of three bits"),
        pytest.param(png(4, 4, 8, 5, b"\x00" * 64), id="unknown colour type"),
        pytest.param(png(2, 2, 8, 2, b"\x09" * 14), id="unknown filter"),
    ],
)
def test_lying_headers(data: bytes) -> None:
    with pytest.raises((DamagedImage, NotAnImage)):
        decode(data)


def test_a_wrong_checksum_is_damage() -> None:
    data = bytearray(encoded(FLAT))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises(DamagedImage, match="save or copy it again"):
        decode(bytes(data))


def test_the_pixel_limit_is_checked_on_the_header_alone() -> None:
    bomb = png(65_535, 65_535, 8, 6, b"")
    assert len(bomb) < 100
    with pytest.raises(ImageTooLarge) as caught:
        decode(bomb)
    assert (caught.value.amount, caught.value.limit, caught.value.unit) == (65_535**2, MAX_PIXELS, "pixels")


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_pixel_limit_holds_for_every_format(fmt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(FLAT, fmt)
    assert decode(data, max_pixels=SIDE * SIDE).shape == (SIDE, SIDE, 4)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded before the limit was checked"))
    with pytest.raises(ImageTooLarge, match=r"has 9,216 pixels, the limit is 9,215; scale it down"):
        decode(data, max_pixels=SIDE * SIDE - 1)


def test_the_byte_limit_comes_first() -> None:
    with pytest.raises(ImageTooLarge, match="the limit is 10"):
        decode(b"not even an image", max_bytes=10)
    with pytest.raises(ImageTooLarge) as caught:
        decode(bytes(MAX_BYTES + 1))
    assert (caught.value.amount, caught.value.unit) == (MAX_BYTES + 1, "bytes")


def test_bytes_after_the_end_do_no_harm() -> None:
    assert close(decode(encoded(OPAQUE) + b"trailing"), OPAQUE, 0)


def test_odd_metadata_is_passed_over_in_any_thread() -> None:
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00"  # promises five entries and ends
    data = encoded(Image.fromarray(ramp(16)).convert("RGB"), "JPEG", exif=exif)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        shapes = {pixels.shape for pixels in pool.map(decode, [data] * 64)}
    assert shapes == {(256, 256, 4)}
    assert list(warnings.filters) == before


def test_any_damaged_byte_is_an_image_or_a_typed_error() -> None:
    random = np.random.default_rng(11)
    for fmt in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        whole = encoded(Image.fromarray(NOISE[:16, :16]), fmt)
        for _ in range(150):
            data = bytearray(whole)
            data[random.integers(0, min(len(data), 120))] = random.integers(0, 256)
            try:
                pixels = decode(bytes(data), max_pixels=2**20)
            except InvalidImage:
                continue
            assert pixels.shape[2] == 4
