"""Pixels become what VTracer traces best: denoised, enlarged, reduced in colours, with alpha it understands."""

import cv2
import numpy as np
from numpy.typing import NDArray

from converter._alpha import faint
from converter.errors import ResultTooLarge
from router import Plan
from router.pixels import CELLS, Pixels, as_words, cells, cells_of, is_opaque, nearest, palettes, premultiplied

MOST_TRACED_PIXELS = 256 * 2**20
# Longer sides VTracer refuses; one row may be put on top (see `_trace`).
LONGEST_TRACED_SIDE = 65_534
_FAR = 64  # of 255 in a channel: half transparent, a colour so far off is seen to be another
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
    return _snapped(big, _palette(smooth, plan)) if plan.palette else big


def _palette(pixels: Pixels, plan: Plan) -> NDArray[np.float32]:
    """Return the colours that pixels are reduced to; in bands one more where faint ones, as a shadow, lack theirs."""
    visible = palettes(pixels, [plan.palette])[0]
    if plan.matte != "bands":
        return visible
    seen = faint(pixels)
    if not len(visible):
        return palettes(seen, [plan.palette])[0]
    usual = palettes(seen, [1])[0]
    lacking = len(usual) and np.abs(visible - usual).max(axis=1).min() > _FAR
    return np.concatenate([visible, usual]) if lacking else visible


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


def _snapped(pixels: Pixels, palette: NDArray[np.float32]) -> Pixels:
    """Give every pixel its nearest palette colour, so that anti-aliasing does not become shapes of its own.

    One search per cell of colours that occurs instead of one a pixel. The mean of a cell is what is looked up: its
    middle would make grey of a black ground.
    """
    if not len(palette):
        return pixels
    words = as_words(pixels)
    found = cells(words.ravel())
    opaque = np.zeros((len(palette), 4), np.uint8)
    opaque[:, :3] = palette.round()
    colors = np.zeros(CELLS, np.uint32)
    colors[found.numbers] = opaque.view(np.uint32)[nearest(found.colors, palette), 0]
    return np.asarray((colors[cells_of(words)] | (words & np.uint32(0xFF000000))).view(np.uint8)).reshape(pixels.shape)
