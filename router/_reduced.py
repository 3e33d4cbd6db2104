"""An image in few colours, as plans trace it: enlarged, and given its nearest palette colours.

What that leaves of it foretells the quality of a plan with such a palette, and its outlines the bytes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels
from router._palette import CELLS, HALF, Colors, as_words, cells_of, nearest

Grey = NDArray[np.uint8]

ENLARGED = 2
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Reduced(NamedTuple):
    """What a palette leaves of an image: its luminance, [height, width], and corners of outlines per 1,000 pixels."""

    plane: Grey
    corners: float


def reduced(shown: Pixels, palettes: Sequence[Colors], ground: int, *, down: int = 1, across: int = 1) -> list[Reduced]:
    """Return what each palette, of at most 254 colours, leaves of an image that is put together of tiles.

    `shown` holds RGB over the image's grey `ground` and the image's own alpha, which is cut; corners are those of the
    enlarged image, and none lies between tiles.
    """
    height, width = shown.shape[:2]
    size = (width * ENLARGED, height * ENLARGED)
    enlarged = as_words(np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8))
    cells = cells_of(enlarged)
    hole = enlarged < HALF << 24
    occurring = np.flatnonzero(np.bincount(cells.ravel(), minlength=CELLS))
    middles = _middles(occurring)
    found = []
    for palette in palettes:
        entry_of = np.zeros(CELLS, np.uint8)
        if len(palette):
            entry_of[occurring] = nearest(middles, palette)
        entries = entry_of[cells]
        entries[hole] = len(palette)
        levels = np.append(palette @ _LUMINANCE + 0.5, ground).astype(np.uint8)
        small = cv2.resize(levels[entries], (width, height), interpolation=cv2.INTER_AREA)
        found.append(Reduced(np.asarray(small, dtype=np.uint8), _corners(entries, down, across)))
    return found


def _corners(entries: Grey, down: int, across: int) -> float:
    """Return how many of 1,000 squares of 2 x 2 pixels hold both a step across and one down: outlines turn there."""
    sideways = cv2.compare(entries[:, 1:], entries[:, :-1], cv2.CMP_NE)
    downwards = cv2.compare(entries[1:], entries[:-1], cv2.CMP_NE)
    corners = (sideways[1:] | sideways[:-1]) & (downwards[:, 1:] | downwards[:, :-1])
    for side, tiles in enumerate((down, across)):
        seams = np.arange(1, tiles) * (entries.shape[side] // tiles) - 1
        corners[(slice(None),) * side + (seams,)] = 0
    return float(1000 * cv2.countNonZero(corners) / corners.size)


def _middles(cells: NDArray[np.intp]) -> Colors:
    """Return the colour in the middle of each cell."""
    return np.stack([cells >> 10, cells >> 5 & 31, cells & 31], axis=1).astype(np.float32) * 8 + 4
