"""An image in few colours, as plans trace it: enlarged, and given its nearest palette colours.

What that leaves of it foretells the quality of a plan with such a palette, and its outlines the bytes.
"""

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels
from router._palette import CELLS, HALF, Colors, Words, as_words, cells_of, nearest

Grey = NDArray[np.uint8]

MOST_PALETTES = 4  # at once: what stands for a pixel in each is a byte of one word

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Enlarged:
    """An image so many times as large, in each of at most `MOST_PALETTES` palettes of at most 254 colours.

    `shown` holds RGB over the image's grey `ground` and the image's own alpha, which is cut. A palette that is empty
    shows nothing but ground.
    """

    def __init__(self, shown: Pixels, ground: int, times: int, palettes: Sequence[Colors]) -> None:
        self._height, self._width = shown.shape[:2]
        self._ground, self._palettes, self.times = ground, palettes, times
        if times > 1:
            size = (self._width * times, self._height * times)
            shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        cells = cells_of(as_words(shown))
        # What the matte hides has cells of its own, beyond those of colours.
        self._matte = cv2.threshold(cv2.extractChannel(shown, 3), HALF - 1, 255, cv2.THRESH_BINARY)[1]
        cells |= (self._matte == 0).astype(np.uint16) * np.uint16(CELLS)
        self._cells = cells
        self._occurring = np.flatnonzero(np.bincount(cells.ravel(), minlength=CELLS)[:CELLS])
        middles = _middles(self._occurring)
        # In an empty palette the first entry is ground's.
        nowhere = np.zeros(len(middles), np.intp)
        self._nearest = [nearest(middles, palette) if len(palette) else nowhere for palette in palettes]

    def drawn_back(self) -> list[Grey]:
        """Return the luminance that each palette leaves of the image."""
        large = self._back(self._looked_up([levels(palette, self._ground) for palette in self._palettes]))
        return self._planes(large)

    def alpha(self) -> Grey:
        """Return what a binary matte leaves of alpha, drawn back."""
        return self._back(np.asarray(self._matte, dtype=np.uint8))

    @cached_property
    def entries(self) -> list[Grey]:
        """Return each enlarged pixel's entry in each palette; what the matte hides is one more, in the last place."""
        return self._planes(
            self._looked_up([np.arange(len(palette) + 1, dtype=np.uint8) for palette in self._palettes])
        )

    def _looked_up(self, values: Sequence[Grey]) -> NDArray[np.uint8]:
        """Return what stands for each pixel's entry in each palette, [height, width, 4]; `values` end with ground's."""
        hidden = np.zeros(MOST_PALETTES, np.uint8)
        hidden[: len(values)] = [own[-1] for own in values]
        shown = np.zeros((len(self._occurring), MOST_PALETTES), np.uint8)
        for place, (own, among) in enumerate(zip(values, self._nearest, strict=True)):
            shown[:, place] = own[among]
        table = np.full(2 * CELLS, hidden.view(np.uint32)[0])
        table[self._occurring] = shown.view(np.uint32)[:, 0]
        # One look for all palettes: looks take most of the time here.
        words: Words = table.take(self._cells)
        return words.view(np.uint8).reshape(*words.shape, MOST_PALETTES)

    def _back(self, large: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if large.shape[:2] == (self._height, self._width):
            return large
        size = (self._width, self._height)
        return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def _planes(self, words: NDArray[np.uint8]) -> list[Grey]:
        return [np.asarray(cv2.extractChannel(words, place), dtype=np.uint8) for place in range(len(self._palettes))]


def levels(palette: Colors, ground: int) -> Grey:
    """Return the luminance of each of a palette's colours, and the ground's in the last place, 0..255."""
    return np.append(palette @ _LUMINANCE + np.float32(0.5), ground).astype(np.uint8)


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
