"""Pixels in, features and thumbnails out; needs numpy, OpenCV and Pillow, still pure."""

import cv2
import msgspec
import numpy as np

from router._decode import MAX_BYTES, MAX_PIXELS, Pixels, decode
from router._features import Features
from router._measure import Beside, alone, backdrop, composite, is_opaque, luminance_on, measure, measured
from router._palette import CELLS, HALF, NEAR, as_words, cells, cells_of, nearest, palettes

# A side of the reduced picture kept for thumbnails: enough for the 224 px of older exports.
PICTURE_SIDE = 256


class Sample(msgspec.Struct, frozen=True):
    """One image as the models see it.

    `picture` is the image reduced to at most `PICTURE_SIDE` a side, premultiplied; None when only features were given.
    """

    features: Features
    picture: Pixels | None = None


def sample(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS, beside: Beside = alone) -> Sample:
    """Decode and measure an encoded image; see `sample_of` for `beside`.

    Raises:
        InvalidImage: see `decode`.
    """
    pixels = decode(data, max_bytes=max_bytes, max_pixels=max_pixels)
    return sample_of(pixels, len(data), beside)


def sample_of(pixels: Pixels, file_size: int, beside: Beside = alone) -> Sample:
    """Measure decoded pixels; `file_size` is the encoded image's, bytes. Half of the work may go `beside`."""
    features, picture = measured(pixels, file_size, beside), _reduced(pixels)
    return Sample(features(), picture)


def thumbnail(picture: Pixels, size: int) -> Pixels:
    """Return a sample's picture at [size, size, 4], area-resampled, stretched to a square, premultiplied alpha."""
    return _resize(picture, size, size)


def premultiplied(pixels: Pixels) -> Pixels:
    """Return the pixels with their colours multiplied by alpha, so that they can be averaged."""
    if is_opaque(pixels):
        return pixels
    alpha = cv2.extractChannel(pixels, 3)
    weights = cv2.merge([alpha, alpha, alpha, np.full_like(alpha, 255)])
    return np.asarray(cv2.multiply(pixels, weights, scale=1 / 255), dtype=np.uint8)


def _reduced(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = min(1.0, PICTURE_SIDE / max(height, width))
    return _resize(premultiplied(pixels), max(1, round(width * scale)), max(1, round(height * scale)))


def _resize(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


__all__ = [
    "CELLS",
    "HALF",
    "MAX_BYTES",
    "MAX_PIXELS",
    "NEAR",
    "Pixels",
    "Sample",
    "as_words",
    "backdrop",
    "cells",
    "cells_of",
    "composite",
    "decode",
    "is_opaque",
    "luminance_on",
    "measure",
    "nearest",
    "palettes",
    "premultiplied",
    "sample",
    "sample_of",
    "thumbnail",
]
