"""Pictures for the demonstration: the region where two drawings differ most, that region enlarged, and differences."""

import re

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from converter import render
from router.pixels import Pixels, composite

CROP_PIXELS = 440  # width of an enlarged crop; twice what the page gives it, for dense screens
MARK = (226, 56, 74)  # colour of differences
GAIN = 2.5  # differences are drawn this much stronger than they are: 40 % of the full range is full colour
_ROOT = re.compile(r'<svg [^>]*width="(\d+)" height="(\d+)" viewBox="0 0 (\d+) (\d+)">')


class Box(msgspec.Struct, frozen=True):
    """A region of an image, pixels."""

    left: int
    top: int
    width: int
    height: int


def difference(drawn: Pixels, pixels: Pixels) -> NDArray[np.float32]:
    """Return how much two pictures differ, 0..1 a pixel: the largest channel on white or on black, whichever is worse.

    Two grounds, because a hole in white artwork does not show on white.
    """
    on_each = [
        np.abs(composite(drawn, ground).astype(np.float32) - composite(pixels, ground).astype(np.float32)).max(axis=-1)
        for ground in (255, 0)
    ]
    return np.asarray(np.maximum(*on_each) / 255, dtype=np.float32)


def worst_region(differences: NDArray[np.float32], *, aspect: int = 1) -> Box:
    """Return the region, `aspect` times as wide as high, in which the differences add up to most."""
    height, width = differences.shape
    high = max(1, min(max(24, max(height, width) // 6), height, width // aspect))
    wide = min(high * aspect, width)
    sums = cv2.integral(differences)
    window = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    top, left = np.unravel_index(int(np.argmax(window)), window.shape)
    return Box(int(left), int(top), wide, high)


def cut_out(pixels: Pixels, box: Box) -> Pixels:
    """Return a region's pixels."""
    return np.ascontiguousarray(pixels[box.top : box.top + box.height, box.left : box.left + box.width])


def draw_region(svg: str, box: Box) -> Pixels:
    """Return a region of one of our SVGs drawn `CROP_PIXELS` wide: what the vectors really say."""
    found = _ROOT.match(svg)
    assert found, "every SVG of ours begins with its size and view box"
    width, _, units, _ = map(int, found.groups())
    scale = units / width
    seen = " ".join(f"{value * scale:g}" for value in (box.left, box.top, box.width, box.height))
    high = round(CROP_PIXELS * box.height / box.width)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{CROP_PIXELS}" height="{high}" viewBox="{seen}">'
    return render(head + svg[found.end() :])


def ink(pixels: Pixels) -> float:
    """Return how much of a picture is covered, pixels: the sum of its alpha."""
    return float(pixels[..., 3].sum(dtype=np.float64) / 255)


def as_picture(differences: NDArray[np.float32]) -> Pixels:
    """Return differences as a picture: one colour, transparent where there is none."""
    strength = np.minimum(differences * GAIN, 1)
    picture = np.empty((*differences.shape, 4), np.uint8)
    picture[..., :3] = MARK
    picture[..., 3] = (strength * 255).round()
    return picture


def png(pixels: Pixels) -> bytes:
    """Return pixels as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return bytes(data)
