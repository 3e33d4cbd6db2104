"""An image in few colours, as plans trace it: enlarged, given its nearest palette colours, and drawn back to its size.

What that leaves of it foretells what a plan with such a palette reaches.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels
from router._palette import CELLS, HALF, Colors, as_words, cells_of, nearest

Grey = NDArray[np.uint8]

ENLARGED = 2
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def reduced(shown: Pixels, palettes: Sequence[Colors], ground: int) -> list[Grey]:
    """Return the luminance, uint8 [height, width], of an image in the colours of each palette.

    `shown` holds RGB over the image's grey `ground` and the image's own alpha, which is cut.
    """
    height, width = shown.shape[:2]
    size = (width * ENLARGED, height * ENLARGED)
    enlarged = as_words(np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8))
    cells = cells_of(enlarged)
    hole = enlarged < HALF << 24
    occurring = np.flatnonzero(np.bincount(cells.ravel(), minlength=CELLS))
    middles = _middles(occurring)
    planes = []
    for palette in palettes:
        levels = np.full(CELLS, ground, np.uint8)
        if len(palette):
            levels[occurring] = (palette @ _LUMINANCE + 0.5).astype(np.uint8)[nearest(middles, palette)]
        drawn = levels[cells]
        drawn[hole] = ground
        planes.append(np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8))
    return planes


def _middles(cells: NDArray[np.intp]) -> Colors:
    """Return the colour in the middle of each cell."""
    return np.stack([cells >> 10, cells >> 5 & 31, cells & 31], axis=1).astype(np.float32) * 8 + 4
