"""Pixels become what VTracer traces best: denoised, enlarged, reduced in colours, with alpha it understands."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from converter.errors import ResultTooLarge
from router import Plan
from router.pixels import CELLS, Pixels, cells_of, is_opaque, nearest, premultiplied

MOST_TRACED_PIXELS = 256 * 2**20
# Longer sides VTracer refuses; one row may be put on top (see `_trace`).
LONGEST_TRACED_SIDE = 65_534
HALF = 128
MOST_PALETTE_PIXELS = 65536  # a sample of this size finds the same palette
NEAR = 6  # of 255 in each channel: what lies so near to a flat colour comes out as that colour (`_colors`)
# (diameter, colour sigma, space sigma) of the bilateral filter for denoise 1, 2, 3.
_BILATERAL = {1: (5, 20.0, 2.0), 2: (5, 40.0, 3.0), 3: (7, 60.0, 4.0)}


def prepare(pixels: Pixels, plan: Plan) -> Pixels:
    """Return the enlarged RGBA pixels that a plan traces, alpha still soft.

    Raises:
        ResultTooLarge: the enlarged image would exceed `MOST_TRACED_PIXELS`, or `LONGEST_TRACED_SIDE` a side.
    """
    longest = max(pixels.shape[:2]) * plan.upscale
    if longest > LONGEST_TRACED_SIDE:
        raise ResultTooLarge(longest, LONGEST_TRACED_SIDE, "pixels a side")
    traced = pixels.shape[0] * pixels.shape[1] * plan.upscale**2
    if traced > MOST_TRACED_PIXELS:
        raise ResultTooLarge(traced, MOST_TRACED_PIXELS)
    smooth = _denoised(pixels, plan.denoise) if plan.denoise else pixels
    big = _enlarged(smooth, plan.upscale) if plan.upscale > 1 else smooth
    return _snapped(big, _palette(smooth, plan.palette)) if plan.palette else big


def cut_alpha(pixels: Pixels, threshold: int) -> Pixels:
    """Return the pixels with alpha 255 where it reaches the threshold, and nothing at all elsewhere."""
    if is_opaque(pixels):
        return pixels
    visible = pixels[..., 3] >= threshold
    cut = np.where(visible[..., None], pixels, np.uint8(0))
    cut[..., 3] = visible * np.uint8(255)
    return cut


def _denoised(pixels: Pixels, strength: int) -> Pixels:
    diameter, color, space = _BILATERAL[strength]
    rgb = cv2.bilateralFilter(np.ascontiguousarray(pixels[..., :3]), diameter, color, space)
    return np.dstack([rgb, pixels[..., 3]])


def _enlarged(pixels: Pixels, times: int) -> Pixels:
    """Enlarge by cubic interpolation; colours are weighted by alpha, so nothing bleeds in from under transparency."""
    size = (pixels.shape[1] * times, pixels.shape[0] * times)
    big = np.asarray(cv2.resize(premultiplied(pixels), size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    return big if is_opaque(big) else _straight(big)


def _straight(pixels: Pixels) -> Pixels:
    """Undo `premultiplied`; colours of fully transparent pixels are black."""
    alpha = np.maximum(pixels[..., 3:], 1).astype(np.float32)
    colors = np.minimum(pixels[..., :3] * (255 / alpha) + 0.5, 255).astype(np.uint8)
    return np.dstack([colors, pixels[..., 3]])


def _palette(pixels: Pixels, colors: int) -> NDArray[np.uint8]:
    """Return at most `colors` colours, [n, 3], that stand for the visible pixels; none if nothing is visible."""
    words = np.ascontiguousarray(pixels).view(np.uint32).ravel()
    visible = words[words >= HALF << 24]  # alpha is the highest byte
    if not visible.size:
        return np.empty((0, 3), np.uint8)
    # An odd step: an even one would meet the same columns in every row.
    some = np.ascontiguousarray(visible[:: -(-visible.size // MOST_PALETTE_PIXELS) | 1])
    strip = Image.fromarray(some.view(np.uint8).reshape(1, -1, 4)[..., :3])
    quantised = strip.quantize(colors, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
    means = np.array(quantised.getpalette(), dtype=np.uint8).reshape(-1, 3)[:colors]
    return _usual(means, some, np.asarray(quantised).ravel())


def _usual(means: NDArray[np.uint8], words: NDArray[np.uint32], entry_of: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a palette of means in which a colour that most pixels of an entry have stands for it, if the mean is off.

    The mean of a black ground and the dark lines on it is not black, and quality hangs on that; `entry_of` tells each
    pixel's entry.
    """
    palette = means.copy()
    for entry, mean in enumerate(means):
        found, counts = np.unique(words[entry_of == entry], return_counts=True)
        if counts.size and 2 * counts.max() > counts.sum():
            usual = found[counts.argmax() :][:1].view(np.uint8)[:3]
            if np.abs(usual.astype(np.int16) - mean).max() > NEAR:
                palette[entry] = usual
    return palette


def _snapped(pixels: Pixels, palette: NDArray[np.uint8]) -> Pixels:
    """Give every pixel its nearest palette colour, so that anti-aliasing does not become shapes of its own.

    Colours are looked up at 5 bits a channel: one search per colour that occurs instead of one a pixel. The mean of
    such a cell is what is looked up: its middle would make grey of a black ground.
    """
    if not len(palette):
        return pixels
    words = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    cell = cells_of(words)
    own = cell.ravel()
    counts = np.bincount(own, minlength=CELLS)
    found = np.flatnonzero(counts)
    sums = [np.bincount(own, weights=pixels[..., channel].ravel(), minlength=CELLS)[found] for channel in range(3)]
    means = (np.stack(sums, axis=1) / counts[found, None]).astype(np.float32)
    entry_of = np.zeros(CELLS, np.intp)
    entry_of[found] = nearest(means, palette.astype(np.float32))
    opaque = np.zeros((len(palette), 4), np.uint8)
    opaque[:, :3] = palette
    colors = opaque.view(np.uint32)[:, 0][entry_of]
    return np.asarray((colors[cell] | (words & np.uint32(0xFF000000))).view(np.uint8)).reshape(pixels.shape)
