"""Encoded bytes become RGBA pixels; limits are checked on the header, before a single pixel is decoded."""

import io
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from router._png import rows_missing
from router.errors import DamagedImage, ImageTooLarge, NotAnImage

Pixels = NDArray[np.uint8]
"""[height, width, 4]: RGBA, straight alpha, at least 1 x 1."""

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 64 * 2**20
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_MARK = 251  # of one band: invisible red, a rare grey, a rare entry of a palette
# 16-bit greyscale: Pillow keeps the full range in these modes and clips, where it should scale, when it converts.
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")

# Our own limit is checked before decoding; Pillow's warning at a lower one would only be noise.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False
# Its remarks on odd metadata do not concern the caller. Said once: silencing them around each call is not thread-safe.
warnings.filterwarnings("ignore", module="PIL")

# What Pillow's decoders raise on hostile bytes.
_PILLOW_FAULTS = (
    OSError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    EOFError,
    RuntimeError,
    struct.error,
)


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Return the image's pixels as RGBA, upright (EXIF), the first frame where there are several.

    Raises:
        NotAnImage: none of PNG, JPEG, WebP, GIF, BMP, TIFF.
        ImageTooLarge: more bytes or pixels than allowed.
        DamagedImage: the header reads, the pixels do not.
    """
    if len(data) > max_bytes:
        raise ImageTooLarge(len(data), max_bytes, "bytes")
    image = _open(data)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(width * height, max_pixels, "pixels")
    if width < 1 or height < 1:
        raise DamagedImage(f"its header says {width} x {height} pixels")
    _load(image)
    # Inflating again takes two thirds of the time of decoding, so only for an image that may have lost its last row.
    if image.format == "PNG" and _last_row_marked(image) and rows_missing(data):
        raise DamagedImage(f"its header says {height} rows, its data holds fewer")
    return _rgba(image)


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError as exc:
        raise NotAnImage(len(data)) from exc
    except _PILLOW_FAULTS as exc:
        raise DamagedImage(_first_line(exc)) from exc


def _load(image: Image.Image) -> None:
    try:
        if image.format == "PNG":
            _mark_rows(image)
        image.load()
    except _PILLOW_FAULTS as exc:
        raise DamagedImage(_first_line(exc)) from exc


def _mark_rows(image: Image.Image) -> None:
    """Fill an image that is about to be loaded, so that a last row that was never written can be told."""
    image.im = Image.new(image.mode, image.size, _MARK).im


def _last_row_marked(image: Image.Image) -> bool:
    """Tell whether the last row begins as `_mark_rows` left it: nothing was written there, or just that colour."""
    mark = Image.new(image.mode, (1, 1), _MARK).im.getpixel((0, 0))
    return bool(image.im.getpixel((0, image.height - 1)) == mark)


def _rgba(image: Image.Image) -> Pixels:
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in _DEEP_GREY:
            upright = _eight_bit_grey(upright)
        elif upright.mode == "F":
            upright = upright.convert("L")
        return np.array(upright if upright.mode == "RGBA" else upright.convert("RGBA"), dtype=np.uint8)
    except _PILLOW_FAULTS as exc:
        raise DamagedImage(_first_line(exc)) from exc


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    deep = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
    return Image.fromarray((deep >> 8).astype(np.uint8))


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:120]
