"""Quality is measured here: SSIM of the rendered SVG against the image, as the design defines it."""

import cv2
import numpy as np
import resvg_py
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from converter.errors import ConversionFailed
from router.pixels import Pixels, backdrop, is_opaque, luminance_on

WINDOW = 7  # scikit-image's default window, pixels


def render(svg: str, *, width: int | None = None) -> Pixels:
    """Return an SVG drawn by resvg as RGBA pixels, at its own size or scaled to a width.

    Raises:
        ConversionFailed: resvg cannot read it.
    """
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True)
    except ValueError as exc:
        raise ConversionFailed(f"the SVG does not render: {exc}") from exc
    drawn = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_BGRA2RGBA), dtype=np.uint8)


def quality(svg: str, pixels: Pixels) -> float:
    """Return the quality, 0..1, of an SVG against the image it was made from."""
    return similarity(render(svg), pixels)


def similarity(drawn: Pixels, pixels: Pixels) -> float:
    """Return the quality of a drawing of the same size: luminance on the backdrop, and alpha where there is any."""
    ground = backdrop(pixels)
    value = ssim(luminance_on(drawn, ground), luminance_on(pixels, ground))
    if is_opaque(pixels):
        # An opaque image whose drawing has holes is judged by what shows through them.
        return value
    return (value + ssim(drawn[..., 3], pixels[..., 3])) / 2


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return scikit-image's SSIM of two 8-bit planes, clamped to 0..1; planes below 7 px are padded by their edge."""
    lacking = [(0, max(0, WINDOW - side)) for side in one.shape]
    if any(after for _, after in lacking):
        one, other = np.pad(one, lacking, mode="edge"), np.pad(other, lacking, mode="edge")
    value = structural_similarity(np.ascontiguousarray(one), np.ascontiguousarray(other), data_range=255)
    return float(min(max(value, 0.0), 1.0))
