"""How true an SVG is to the drawing that its image was made of: SSIM of both, drawn four times as large as the image.

Quality compares with pixels, so it cannot tell a smooth outline from one that follows the pixels' steps; this can.
"""

import base64
import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from converter._score import render, similarity
from converter.errors import SourceUnfit
from router.pixels import Pixels, backdrop, decode, luminance_on

SCALE = 4
# Of the image, so that both drawings have at most 16 times as many: some seconds and 200 MB.
MOST_PIXELS = 2**20
# An image and its source, averaged over a grid of so few cells that blur and thin lines do not count, differ by less
# than this, of 255: 300 damaged images of up to 100 px by 35 at most, five of six unrelated drawings by more.
MOST_DIFFERENCE = 40.0
CELLS = 4


def check_source(source: bytes, data: bytes) -> None:
    """Make sure that an SVG file draws what an encoded image shows, on the same ground.

    Raises:
        InvalidImage: the bytes are no image.
        SourceUnfit: it draws something else or nothing, or the image is too large.
    """
    pixels = decode(data)
    height, width = pixels.shape[:2]
    if width * height > MOST_PIXELS:
        raise SourceUnfit(f"{width} x {height} px are too many to draw {SCALE} times as large")
    if (found := difference(draw_source(source, width, height), pixels)) > MOST_DIFFERENCE:
        raise SourceUnfit(f"it draws something else: {found:.0f} of 255 apart")


def fidelity_4x(svg: str, source: bytes, width: int, height: int) -> float:
    """Return the SSIM, 0..1, of an SVG against its image's source, both drawn four times as large as the image.

    Alpha counts as it does in quality; `width` and `height` are the image's, pixels.

    Raises:
        ConversionFailed: the SVG does not render.
    """
    return similarity(render(svg, width=SCALE * width), draw_source(source, SCALE * width, SCALE * height))


def difference(drawn: Pixels, pixels: Pixels) -> float:
    """Return how far two pictures are apart, 0..255: in luminance on the backdrop, or in alpha if that is more."""
    ground = backdrop(pixels)
    planes = (luminance_on(drawn, ground), luminance_on(pixels, ground)), (drawn[..., 3], pixels[..., 3])
    return max(float(np.abs(_coarse(one) - _coarse(other)).mean()) for one, other in planes)


def _coarse(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    reduced = cv2.resize(np.ascontiguousarray(plane), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=np.float32)


@functools.lru_cache(maxsize=1)  # all SVGs of an image are compared with the same drawing
def draw_source(source: bytes, width: int, height: int) -> Pixels:
    """Return an SVG file drawn at exactly this size, stretched by the part of a pixel that rounding left."""
    file = base64.b64encode(source).decode()
    return render(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><image width="{width}" '
        f'height="{height}" preserveAspectRatio="none" href="data:image/svg+xml;base64,{file}"/></svg>'
    )
