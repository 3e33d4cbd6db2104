"""Alpha: made binary, or told apart in the few levels that layers are stacked to."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from router import Plan
from router.pixels import HALF, Pixels, is_opaque

# How many soft levels are tried: bytes and seconds grow with their number. Lean plans, of few colours at native size,
# are what tight budgets take: they make do with two, or with one where a flat step hardly shows. Enlarging ones can
# afford more the more they enlarge.
_COUNTS = (1, 2, 3, 4, 6, 8)
_LEAN_COLORS, _MOST_LEAN = 8, 2
_MOST = {1: 4, 2: 3, 3: 4, 4: 6}  # by how many times the plan enlarges; beyond that all are tried
# Of opacity, the mean over an image of what alpha inside soft areas may lie off its level.
_TOLERATED_LEAN = 0.01
_TOLERATED = 0.002
_ROUNDS = 30  # of Lloyd's algorithm
_OPAQUE = 255  # alpha
_HAZE = 8  # alpha below which nothing is seen: what an eraser left behind takes no layer
_FAINTEST = 26  # alpha below which no colour is seen

Plane = NDArray[np.uint8]
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
    cut[..., 3] = visible * np.uint8(_OPAQUE)
    return cut


def levels(pixels: Pixels, plan: Plan) -> list[Level]:
    """Return the levels that a plan draws an image's alpha in, from the faintest up to full opacity.

    Soft ones settle where soft pixels lie (Lloyd 1982), no more of them than soft areas need: edges, one pixel wide,
    are soft again when a level is drawn, shadows and glass show their steps. How many there may be is a matter of the
    plan's colours and of how much it enlarges; alpha is that of the image itself.
    """
    alpha: Plane = np.asarray(cv2.extractChannel(pixels, 3), dtype=np.uint8)
    soft: Plane = np.asarray(cv2.inRange(alpha, _HAZE, _OPAQUE - 1), dtype=np.uint8)
    inside = cv2.erode(soft, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    of_soft, of_inside = _counts(alpha, soft), _counts(alpha, np.asarray(inside, dtype=np.uint8))
    found = np.array([0.0, _OPAQUE])
    tolerated = (_TOLERATED_LEAN if _is_lean(plan) else _TOLERATED) * _OPAQUE * alpha.size
    for count in _tried(plan):
        found = _settled(of_soft, count)
        if (of_inside * _off(found).min(axis=1)).sum() <= tolerated:
            break
    lows = np.ceil((found[:-1] + found[1:]) / 2)
    return [Level(int(low), float(own) / _OPAQUE) for low, own in zip(lows, found[1:], strict=True)]


def faint(pixels: Pixels) -> Pixels:
    """Return the pixels that are seen and less than half there, in one row, opaque."""
    alpha = pixels[..., 3]
    found = pixels[(alpha >= _FAINTEST) & (alpha < HALF)]
    found[:, 3] = _OPAQUE
    return found[None]


def _is_lean(plan: Plan) -> bool:
    return plan.upscale == 1 and 0 < plan.palette <= _LEAN_COLORS


def _tried(plan: Plan) -> list[int]:
    """Return how many soft levels are tried: enlarged, two are as few as edges bear."""
    most = _MOST_LEAN if _is_lean(plan) else _MOST.get(plan.upscale, _COUNTS[-1])
    return [count for count in _COUNTS if (1 if plan.upscale == 1 else 2) <= count <= most]


def _counts(alpha: Plane, mask: Plane) -> Counts:
    return np.asarray(cv2.calcHist([alpha], [0], mask, [_OPAQUE + 1], [0, _OPAQUE + 1]).ravel(), dtype=np.int64)


def _settled(counts: Counts, soft: int) -> Alphas:
    """Return nothing, so many soft levels or fewer, and full opacity; a level nearest to no pixel is left out."""
    used = np.flatnonzero(counts)
    between = np.linspace(used[0], used[-1], soft + 2)[1:-1] if len(used) else np.zeros(0)
    found: Alphas = np.concatenate([[0], between, [_OPAQUE]])
    sizes: Alphas = np.ones(len(found))
    alpha = np.arange(_OPAQUE + 1)
    for _ in range(_ROUNDS):
        own = _off(found).argmin(axis=1)
        sizes = np.asarray(np.bincount(own, weights=counts, minlength=len(found)), dtype=np.float64)
        sums = np.bincount(own, weights=counts * alpha, minlength=len(found))
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), found)
        moved[[0, -1]] = 0, _OPAQUE
        if np.array_equal(moved, found):
            break
        found = moved
    sizes[[0, -1]] = 1
    return np.asarray(found[sizes > 0])


def _off(found: Alphas) -> Alphas:
    """Return how far every alpha lies off each level, [256, levels]."""
    return np.abs(np.arange(_OPAQUE + 1)[:, None] - found)
