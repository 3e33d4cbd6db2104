"""Palettes: the few colours that stand for an image's pixels where a plan reduces them."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels

Colors = NDArray[np.float32]
Words = NDArray[np.uint32]
Cell = NDArray[np.uint16]

HALF = 128  # alpha from which on a pixel is visible
MOST_PIXELS = 16384  # a sample of this size finds the same palette
CELLS = 2**15  # colours told apart: five bits a channel
ROUNDS = 4  # of Lloyd's algorithm: later ones hardly move a colour
NEAR = 6  # of 255 in each channel: a mean so near to the usual colour does as well


def palettes(pixels: Pixels, counts: Sequence[int]) -> list[Colors]:
    """Return a palette of each size for the visible ones of RGBA pixels: at most `count` colours, [n, 3], 0..255.

    Each begins with the colour used most, then takes the one that the others serve worst (k-means++ without its dice),
    and settles (Lloyd 1982). It is empty if nothing is visible, and has no more colours than there are cells.
    """
    found = cells(_some(as_words(pixels).ravel()))
    if not len(found.numbers):
        return [found.colors for _ in counts]
    return [_settled(found, first) for first in _firsts(found, counts)]


class Cells(NamedTuple):
    """The colours that occur, told apart at five bits a channel: number, count of pixels, and their mean, [n, 3]."""

    numbers: NDArray[np.intp]
    sizes: NDArray[np.float32]
    colors: Colors


def cells(words: Words) -> Cells:
    """Return the cells of RGBA pixels given as words, [n]; their means are exact."""
    words = np.ascontiguousarray(words)  # every n-th pixel of a plane does not lie so
    own = cells_of(words)
    sizes = np.bincount(own, minlength=CELLS)
    numbers = np.flatnonzero(sizes)
    pixels = words.view(np.uint8).reshape(-1, 4)
    sums = [np.bincount(own, weights=pixels[:, channel], minlength=CELLS)[numbers] for channel in range(3)]
    return Cells(numbers, sizes[numbers].astype(np.float32), _mean(np.stack(sums, axis=1), sizes[numbers]))


def as_words(pixels: Pixels) -> Words:
    """Return RGBA pixels as words, [height, width]; alpha is the highest byte."""
    return np.ascontiguousarray(pixels).view(np.uint32)[..., 0]


def cells_of(words: Words) -> Cell:
    """Return the cell, below `CELLS`, of each RGBA pixel given as a word."""
    if not words.size:
        return np.zeros(words.shape, np.uint16)
    # OpenCV's pixels of 16 bits hold five of each channel, and in the highest whether alpha is 0.
    row = np.ascontiguousarray(words).view(np.uint8).reshape(1, -1, 4)
    cells = np.asarray(cv2.cvtColor(row, cv2.COLOR_RGBA2BGR555), dtype=np.uint8).view(np.uint16)
    cells &= np.uint16(CELLS - 1)
    return cells.reshape(words.shape)


def nearest(colors: Colors, palette: Colors) -> NDArray[np.intp]:
    """Return the index of the palette's nearest colour to each of some others."""
    return np.asarray((-2 * colors @ palette.T + (palette**2).sum(axis=1)).argmin(axis=1))


def _some(words: Words) -> Words:
    """Return a sample of the visible pixels; an odd step, as an even one would meet the same columns in every row."""
    visible = words >= HALF << 24
    shown = np.flatnonzero(visible)
    taken = slice(None, None, -(-shown.size // MOST_PIXELS) | 1)
    return words[taken] if shown.size == words.size else words[shown[taken]]


def _firsts(found: Cells, counts: Sequence[int]) -> list[Colors]:
    """Return the colours that each palette begins with, from the one used most on."""
    chosen = [int(found.sizes.argmax())]
    apart = _apart(found.colors, chosen[0])
    while len(chosen) < min(max(counts), len(found.numbers)):
        chosen.append(int((found.sizes * apart).argmax()))
        apart = np.minimum(apart, _apart(found.colors, chosen[-1]))
    return [found.colors[chosen[:count]] for count in counts]


def _apart(colors: Colors, index: int) -> Colors:
    return np.asarray(((colors - colors[index]) ** 2).sum(axis=1))


def _settled(found: Cells, palette: Colors) -> Colors:
    """Return a palette moved into the middle of what it serves; a colour that serves nothing stays."""
    weighted = np.column_stack([found.colors * found.sizes[:, None], found.sizes])
    columns = weighted.shape[1]
    before = None
    for _ in range(ROUNDS):
        own = nearest(found.colors, palette)
        if before is not None and np.array_equal(own, before):
            break
        before = own
        places = own[:, None] * columns + np.arange(columns)
        sums = np.bincount(places.ravel(), weights=weighted.ravel(), minlength=columns * len(palette))
        sums = sums.reshape(-1, columns)
        palette = np.where(sums[:, -1:] > 0, _mean(sums[:, :-1], sums[:, -1]), palette)
    return _usual(found, palette)


def _usual(found: Cells, palette: Colors) -> Colors:
    """Return a palette in which the colour that most pixels of an entry have stands for it, if the mean is off.

    The mean of a black ground and the dark lines on it is not black, and quality hangs on that.
    """
    own = nearest(found.colors, palette)
    totals = np.bincount(own, weights=found.sizes, minlength=len(palette))
    order = np.argsort(found.sizes, kind="stable")
    largest = np.zeros(len(palette), np.intp)
    largest[own[order]] = order  # the last one written is the largest
    usual = found.colors[largest]
    off = np.abs(usual - palette).max(axis=1) > NEAR
    return np.where((off & (2 * found.sizes[largest] > totals) & (totals > 0))[:, None], usual, palette)


def _mean(sums: NDArray[np.number], counts: NDArray[np.number]) -> Colors:
    return np.asarray(sums / np.maximum(counts, 1)[:, None], dtype=np.float32)
