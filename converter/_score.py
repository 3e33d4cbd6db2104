"""Quality is measured here: SSIM of the rendered SVG against the image, as the design defines it."""

import cv2
import numpy as np
import resvg_py
from numpy.typing import NDArray

from converter.errors import ConversionFailed
from router.pixels import Pixels, backdrop, is_opaque, luminance_on

WINDOW = 7  # scikit-image's default window, pixels
SAMPLES = WINDOW * WINDOW
# Wang's stabilising constants for 8 bits, in the units of the integers below: squared sums, and sums times samples.
STABLE_MEAN = (0.01 * 255) ** 2 * SAMPLES**2
STABLE_VARIANCE = (0.03 * 255) ** 2 * SAMPLES * (SAMPLES - 1)
# Pixels taken at a time: all that is computed from them stays in the processor's cache.
STRIP_PIXELS = 16_384


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
    return Reference(pixels).similarity(drawn)


class Reference:
    """An image that several drawings are compared with; what hangs on it alone is computed once."""

    def __init__(self, pixels: Pixels) -> None:
        self._ground = backdrop(pixels)
        self._luminance = luminance_on(pixels, self._ground)
        self._alpha = None if is_opaque(pixels) else np.ascontiguousarray(pixels[..., 3])

    def similarity(self, drawn: Pixels) -> float:
        """Return the quality of a drawing, as `similarity` does."""
        value = ssim(luminance_on(drawn, self._ground), self._luminance)
        if self._alpha is None:
            # An opaque image whose drawing has holes is judged by what shows through them.
            return value
        return (value + ssim(drawn[..., 3], self._alpha)) / 2


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the SSIM of two 8-bit planes, clamped to 0..1; planes below 7 px are padded by their edge.

    It is scikit-image's `structural_similarity` with `data_range=255`, in a fifth of the time: window sums of bytes and
    of their products are whole numbers, so 32-bit integers hold them exactly.
    """
    lacking = [(0, max(0, WINDOW - side)) for side in one.shape]
    if any(after for _, after in lacking):
        one, other = np.pad(one, lacking, mode="edge"), np.pad(other, lacking, mode="edge")
    rows, columns = (side - WINDOW + 1 for side in one.shape)
    step = max(1, STRIP_PIXELS // one.shape[1])
    strips = (slice(top, min(top + step, rows) + WINDOW - 1) for top in range(0, rows, step))
    value = sum(_summed(one[strip], other[strip]) for strip in strips) / (rows * columns)
    return float(min(max(value, 0.0), 1.0))


def _summed(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the sum of the SSIM over every whole window of two planes."""
    sum_one, sum_other = _windows(one), _windows(other)
    means = 2 * sum_one * sum_other
    squares = sum_one * sum_one + sum_other * sum_other
    covariance = 2 * SAMPLES * _windows(_product(one, other)) - means
    variance = SAMPLES * (_windows(_product(one, one)) + _windows(_product(other, other))) - squares
    above = (means + STABLE_MEAN) * (covariance + STABLE_VARIANCE)
    above /= (squares + STABLE_MEAN) * (variance + STABLE_VARIANCE)
    return float(above.sum())


def _windows(plane: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.int32]:
    """Return the sums of a plane over every whole window."""
    sums = cv2.boxFilter(plane, cv2.CV_32S, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_CONSTANT)
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    return np.asarray(sums[inside, inside], dtype=np.int32)


def _product(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return np.asarray(cv2.multiply(one, other, dtype=cv2.CV_16U), dtype=np.uint16)
