"""Flat colours come out exactly: a tracer's fills are means of its regions, a little beside the colour meant.

On black or white the little is what quality hangs on, and a brand's colour is expected to be that very colour.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from router.pixels import HALF, NEAR, Pixels

# A colour is flat from this share of the visible pixels on; so many pixels tell.
LEAST_SHARE, SAMPLE = 0.02, 8192
# What lies so near to a colour may be its noise; a flat colour is at most so far from the mean of all that, levels.
AROUND, MOST_OFF = 24, 1.0

Colors = NDArray[np.int16]
NO_COLORS: Colors = np.empty((0, 3), np.int16)


def flat_colors(pixels: Pixels) -> Colors:
    """Return the colours, [n, 3], that cover much of what is visible of an image; none of a photograph."""
    words = np.ascontiguousarray(pixels).view(np.uint32).ravel()
    visible = words[words >= HALF << 24]  # alpha is the highest byte
    # An odd step: an even one would meet the same columns in every row.
    some = np.ascontiguousarray(visible[:: visible.size // SAMPLE | 1]) | np.uint32(0xFF000000)
    found, counts = np.unique(some, return_counts=True)
    colors = found.view(np.uint8).reshape(-1, 4)[:, :3].astype(np.int16)
    often = colors[counts >= max(2, LEAST_SHARE * some.size)]
    return often[[_is_mean(color, colors, counts) for color in often]] if len(often) else NO_COLORS


def _is_mean(color: NDArray[np.int16], colors: Colors, counts: NDArray[np.intp]) -> bool:
    """Tell whether the colours around one have it for their mean; on a noisy ground, cut at black, none has."""
    around = np.abs(colors - color).max(axis=1) <= AROUND
    mean = counts[around] @ colors[around] / counts[around].sum()
    return bool(np.abs(mean - color).max() <= MOST_OFF)


def exact(fills: Sequence[str], flat: Colors) -> list[str]:
    """Return fills, `#AABBCC`, those near a flat colour replaced by it."""
    if not len(flat) or not fills:
        return list(fills)
    own = np.array([list(bytes.fromhex(fill[1:])) for fill in fills], dtype=np.int16)
    apart = np.abs(own[:, None] - flat).max(axis=2)
    nearest = apart.argmin(axis=1)
    found = np.where((apart.min(axis=1) <= NEAR)[:, None], flat[nearest], own).astype(np.uint8)
    return [f"#{bytes(one).hex().upper()}" for one in found]
