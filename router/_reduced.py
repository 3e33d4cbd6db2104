"""An image in few colours, as plans trace it: enlarged, and given its nearest palette colours.

What that leaves of it foretells the quality of a plan with such a palette, and its outlines the bytes.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels
from router._palette import CELLS, HALF, Colors, as_words, cells_of, nearest

Grey = NDArray[np.uint8]

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Reduced(NamedTuple):
    """What a palette leaves of an image: each enlarged pixel's entry, and the luminance drawn back, [height, width]."""

    entries: Grey
    plane: Grey


class Enlarged:
    """An image so many times as large, to be drawn in palettes of at most 254 colours.

    `shown` holds RGB over the image's grey `ground` and the image's own alpha, which is cut.
    """

    def __init__(self, shown: Pixels, ground: int, times: int) -> None:
        self._height, self._width = shown.shape[:2]
        self._ground = ground
        if times > 1:
            size = (self._width * times, self._height * times)
            shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        words = as_words(shown)
        cells = cells_of(words).astype(np.intp)
        self._occurring = np.flatnonzero(np.bincount(cells.ravel(), minlength=CELLS))
        self._middles = _middles(self._occurring)
        self._hole = words < HALF << 24
        # What the matte hides has cells of its own, beyond those of colours.
        self._cells = cells + self._hole * CELLS

    def reduced(self, palette: Colors) -> Reduced:
        """Return what a palette leaves of the image; what its binary matte hides is ground, an entry of its own."""
        entry_of = np.full(2 * CELLS, len(palette), np.uint8)
        if len(palette):
            entry_of[self._occurring] = nearest(self._middles, palette)
        entries = entry_of[self._cells]
        levels = np.zeros(256, np.uint8)
        levels[: len(palette)] = palette @ _LUMINANCE + 0.5
        levels[len(palette)] = self._ground
        return Reduced(entries, self._back(np.asarray(cv2.LUT(entries, levels), dtype=np.uint8)))

    def alpha(self) -> Grey:
        """Return what a binary matte leaves of alpha, drawn back."""
        return self._back(np.where(self._hole, np.uint8(0), np.uint8(255)))

    def _back(self, plane: Grey) -> Grey:
        if plane.shape == (self._height, self._width):
            return plane
        size = (self._width, self._height)
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def corners(entries: Grey, *, down: int = 1, across: int = 1) -> float:
    """Return how many of 1,000 squares of 2 x 2 pixels hold both a step across and one down: outlines turn there.

    None lies between the tiles of an image that is put together of so many.
    """
    sideways = cv2.compare(entries[:, 1:], entries[:, :-1], cv2.CMP_NE)
    downwards = cv2.compare(entries[1:], entries[:-1], cv2.CMP_NE)
    turning = (sideways[1:] | sideways[:-1]) & (downwards[:, 1:] | downwards[:, :-1])
    for side, tiles in enumerate((down, across)):
        seams = np.arange(1, tiles) * (entries.shape[side] // tiles) - 1
        turning[(slice(None),) * side + (seams,)] = 0
    return float(1000 * cv2.countNonZero(turning) / turning.size)


def _middles(cells: NDArray[np.intp]) -> Colors:
    """Return the colour in the middle of each cell."""
    return np.stack([cells >> 10, cells >> 5 & 31, cells & 31], axis=1).astype(np.float32) * 8 + 4
