"""Alpha: made binary, or told apart in the few levels that layers are stacked to."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from router.pixels import HALF, Pixels, is_opaque

# How many soft levels are tried. Two are as good as more where only edges are soft, for a quarter fewer bytes.
# More than four draw shadows closer, for bytes and time that budgets do not have.
_COUNTS = (2, 3, 4)
_TOLERATED = 0.002  # of opacity, the mean over an image of what alpha inside soft areas lies off its level
_ROUNDS = 30  # of Lloyd's algorithm
_MOST = 255  # alpha of an opaque pixel
_HAZE = 8  # alpha below which nothing is seen: what an eraser left behind takes no layer
_FAINTEST = 26  # alpha below which no colour is seen

Counts = NDArray[np.int64]
Alphas = NDArray[np.float64]


class Level(NamedTuple):
    """Pixels whose alpha reaches `threshold`, 1..255, and no higher level's, are drawn with `opacity`, 0..1."""

    threshold: int
    opacity: float


def cut_alpha(pixels: Pixels, threshold: int) -> Pixels:
    """Return the pixels with alpha 255 where it reaches the threshold, and nothing at all elsewhere."""
    if is_opaque(pixels):
        return pixels
    visible = pixels[..., 3] >= threshold
    cut = np.where(visible[..., None], pixels, np.uint8(0))
    cut[..., 3] = visible * np.uint8(_MOST)
    return cut


def levels(pixels: Pixels) -> list[Level]:
    """Return the levels that an image's alpha is drawn in, from the faintest up to full opacity.

    Soft ones settle where soft pixels lie (Lloyd 1982), no more of them than soft areas need: edges, one pixel wide,
    are soft again when a level is drawn, shadows and glass show their steps.
    """
    alpha = cv2.extractChannel(pixels, 3)
    soft = cv2.inRange(alpha, _HAZE, _MOST - 1)
    inside = cv2.erode(soft, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    of_soft, of_inside = _counts(alpha[soft > 0]), _counts(alpha[inside > 0])
    found = np.array([0.0, _MOST])
    for count in _COUNTS:
        found = _settled(of_soft, count)
        if (of_inside * _off(found).min(axis=1)).sum() <= _TOLERATED * _MOST * alpha.size:
            break
    lows = np.ceil((found[:-1] + found[1:]) / 2)
    return [Level(int(low), float(own) / _MOST) for low, own in zip(lows, found[1:], strict=True)]


def faint(pixels: Pixels) -> Pixels:
    """Return the pixels that are seen and less than half there, in one row, opaque."""
    alpha = pixels[..., 3]
    found = pixels[(alpha >= _FAINTEST) & (alpha < HALF)]
    found[:, 3] = _MOST
    return found[None]


def _counts(alpha: NDArray[np.uint8]) -> Counts:
    return np.bincount(alpha, minlength=_MOST + 1)


def _settled(counts: Counts, soft: int) -> Alphas:
    """Return nothing, so many soft levels or fewer, and full opacity; a level nearest to no pixel is left out."""
    used = np.flatnonzero(counts)
    between = np.linspace(used[0], used[-1], soft + 2)[1:-1] if len(used) else np.zeros(0)
    found: Alphas = np.concatenate([[0], between, [_MOST]])
    sizes: Alphas = np.ones(len(found))
    alpha = np.arange(_MOST + 1)
    for _ in range(_ROUNDS):
        own = _off(found).argmin(axis=1)
        sizes = np.asarray(np.bincount(own, weights=counts, minlength=len(found)), dtype=np.float64)
        sums = np.bincount(own, weights=counts * alpha, minlength=len(found))
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), found)
        moved[[0, -1]] = 0, _MOST
        if np.array_equal(moved, found):
            break
        found = moved
    sizes[[0, -1]] = 1
    return np.asarray(found[sizes > 0])


def _off(found: Alphas) -> Alphas:
    """Return how far every alpha lies off each level, [256, levels]."""
    return np.abs(np.arange(_MOST + 1)[:, None] - found)
