"""An image in few colours, as plans trace it: enlarged, given its nearest palette colours, and drawn back to its size.

What that leaves of it foretells what a plan with such a palette reaches.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels

Grey = NDArray[np.uint8]
Colors = NDArray[np.float32]
Cells = NDArray[np.uint32]

ENLARGED = 2
VISIBLE = 128  # alpha from which on a binary matte shows a pixel
ROUNDS = 2  # of Lloyd's algorithm: later ones hardly move a colour
CELLS = 2**15  # colours told apart: five bits a channel
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def reduced(pixels: Pixels, shown: Pixels, counts: Sequence[int], ground: int) -> list[Grey]:
    """Return the luminance, uint8 [height, width], of an image in each number of colours.

    `shown` is the RGBA image over its grey `ground`, `pixels` the image itself: its alpha is cut, and its palette is
    that of what is visible.
    """
    height, width = pixels.shape[:2]
    size = (width * ENLARGED, height * ENLARGED)
    cells = _cells(np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8))
    alpha = cv2.resize(cv2.extractChannel(pixels, 3), size, interpolation=cv2.INTER_CUBIC)
    hole = cv2.compare(alpha, VISIBLE, cv2.CMP_LT)
    words = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    occurring = np.flatnonzero(np.bincount(cells.ravel(), minlength=CELLS))
    middles = _middles(occurring)
    planes = []
    for palette in palettes(words[words >= VISIBLE << 24], counts):
        levels = np.zeros(CELLS, np.uint8)
        levels[occurring] = (palette @ _LUMINANCE + 0.5).astype(np.uint8)[nearest(middles, palette)]
        drawn = levels[cells]
        drawn[hole > 0] = ground
        planes.append(np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8))
    return planes


def palettes(words: Cells, counts: Sequence[int]) -> list[Colors]:
    """Return a palette, [count, 3], of each size for RGBA pixels [n] as words; black where there are none.

    Each begins with the colour used most, then takes the one that the others serve worst (k-means++ without its dice),
    and settles.
    """
    sizes = np.bincount(cells_of(words), minlength=CELLS) if len(words) else np.eye(1, CELLS, dtype=np.intp)[0]
    occurring = np.flatnonzero(sizes)
    colors, weights = _middles(occurring), sizes[occurring].astype(np.float32)
    first = [int(weights.argmax())]
    apart = _apart(colors, first[0])
    while len(first) < max(counts):
        first.append(int((weights * apart).argmax()))
        apart = np.minimum(apart, _apart(colors, first[-1]))
    return [_settled(colors, weights, colors[first[:count]]) for count in counts]


def _settled(colors: Colors, weights: Colors, palette: Colors) -> Colors:
    """Return a palette moved into the middle of what it serves; a colour that serves nothing stays."""
    for _ in range(ROUNDS):
        own = nearest(colors, palette)
        total = np.bincount(own, weights=weights, minlength=len(palette))
        sums = [np.bincount(own, weights=weights * channel, minlength=len(palette)) for channel in colors.T]
        means = np.stack(sums, axis=1) / np.maximum(total, 1)[:, None]
        palette = np.where(total[:, None] > 0, means, palette).astype(np.float32)
    return palette


def _apart(colors: Colors, index: int) -> Colors:
    return np.asarray(((colors - colors[index]) ** 2).sum(axis=1))


def nearest(colors: Colors, palette: Colors) -> NDArray[np.intp]:
    """Return the index of the palette's nearest colour to each of some others."""
    return np.asarray((-2 * colors @ palette.T + (palette**2).sum(axis=1)).argmin(axis=1))


def _cells(pixels: Pixels) -> Cells:
    return cells_of(np.ascontiguousarray(pixels).view(np.uint32)[..., 0])


def cells_of(words: Cells) -> Cells:
    """Return the cell, below `CELLS`, of each RGBA pixel given as a word."""
    return np.asarray(((words & 0xF8) << 7) | ((words & 0xF800) >> 6) | ((words & 0xF80000) >> 19))


def _middles(cells: NDArray[np.intp]) -> Colors:
    """Return the colour in the middle of each cell."""
    return np.stack([cells >> 10, cells >> 5 & 31, cells & 31], axis=1).astype(np.float32) * 8 + 4
