"""Features measured from pixels: one pass of cheap statistics, a few milliseconds at 512 x 512."""

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels
from router._features import Features
from router._windows import shown_on, windows

# Statistics look at every n-th pixel where a side is longer, so that a large image costs no more than this.
LONGEST_SIDE = 512
# Letters are found on a still smaller copy: connected components are the dearest step.
LONGEST_SIDE_TEXT = 256
EDGE_STEP = 32  # luminance steps per pixel that make an edge
SOBEL = 4  # times as large as the step from pixel to pixel is what Sobel's kernels answer
STEEP = (SOBEL * EDGE_STEP) ** 2
FAST_THRESHOLD = 24
SOFT_LOW, SOFT_HIGH = 8, 247
MOST_TEXT_PARTS = 400
MOST_COLOR_PIXELS = 65536  # every n-th row is enough to count colours
_HASH_BITS = 18
# Slopes within 3 degrees of a multiple of 45, the steeper axis as the base.
_UPRIGHT, _DIAGONAL = np.tan(np.radians([3, 42])).astype(np.float32)

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Slopes = NDArray[np.int16]
T = TypeVar("T")


class Beside(Protocol):
    """Takes a part of the work, to be done meanwhile if somebody is free; what it returns gives the part's result."""

    def __call__(self, part: Callable[[], T], /) -> Callable[[], T]: ...


def alone(part: Callable[[], T]) -> Callable[[], T]:
    """Leave the part to its owner."""
    return part


# The service brings its own threads; OpenCV's would fight over the same cores.
cv2.setNumThreads(1)


def backdrop(pixels: Pixels) -> int:
    """Return the grey level (255 or 0) of the ground on which the image shows."""
    alpha, grey = cv2.extractChannel(pixels, 3), cv2.cvtColor(pixels, cv2.COLOR_RGBA2GRAY)
    return _ground(np.asarray(grey, dtype=np.uint8), np.asarray(alpha, dtype=np.uint8))


def _ground(grey: Grey, alpha: Grey) -> int:
    total = cv2.sumElems(alpha)[0]
    if not total:
        return 255
    weighted = cv2.sumElems(cv2.multiply(grey, alpha, dtype=cv2.CV_32F))[0]
    return 255 if weighted / total < 128 else 0


def luminance_on(pixels: Pixels, ground: int) -> Grey:
    """Return the BT.601 luminance, uint8 [height, width], of the image composited on a grey ground."""
    return np.asarray(cv2.cvtColor(composite(pixels, ground), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def composite(pixels: Pixels, ground: int) -> NDArray[np.uint8]:
    """Return RGB, uint8 [height, width, 3], of the image over a grey ground."""
    if is_opaque(pixels):
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
    alpha = pixels[..., 3:].astype(np.uint16)
    mixed = pixels[..., :3] * alpha + np.uint16(ground) * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def is_opaque(pixels: Pixels) -> bool:
    """Tell whether every pixel has full alpha."""
    return bool(cv2.minMaxLoc(cv2.extractChannel(pixels, 3))[0] == 255)


def measure(pixels: Pixels, file_size: int) -> Features:
    """Return all features of an image whose encoded form has `file_size` bytes."""
    return measured(pixels, file_size, alone)()


def measured(pixels: Pixels, file_size: int, beside: Beside) -> Callable[[], Features]:
    """Measure half of the features, the other half `beside`; what is returned waits for both."""
    height, width = pixels.shape[:2]
    planes = _planes(pixels)
    of_windows = beside(lambda: windows(pixels, planes.ground))
    grey, alpha = planes.grey, planes.alpha
    dx, dy = _sobel(grey)
    squares = _squares(dx, dy)
    edges = squares > STEEP
    if not planes.opaque:
        edges |= _squares(*_sobel(alpha)) > STEEP
    edge_density = _share(edges)
    entropy = _entropy(grey)
    colors, palette = _colors(planes.view)
    half = partial(
        Features,
        complexity_score=float((edge_density + entropy / 8 + min(np.log2(colors), 16) / 16) / 3),
        unique_colors=colors,
        edge_density=edge_density,
        aspect_ratio=width / height,
        file_size=float(file_size),
        image_area=float(width * height),
        color_variance=_color_variance(planes.view),
        # The same to the last bit wherever the array lies: NumPy's root is rounded correctly, `cv2.magnitude` is not.
        gradient_strength=_mean_beside(np.sqrt(squares, out=squares), edges) / SOBEL,
        text_probability=_text_probability(_strided(grey, LONGEST_SIDE_TEXT)),
        geometric_score=_geometric_score(dx, dy, edges),
        entropy=entropy,
        corner_density=_corner_density(grey),
        alpha_fraction=0.0 if planes.opaque else _share(cv2.bitwise_not(alpha)),
        soft_alpha_fraction=0.0 if planes.opaque else _share(_soft(alpha)),
        soft_alpha_interior=0.0 if planes.opaque else _soft_interior(alpha),
        palette_size=palette,
        flat_fraction=_flat_fraction(planes.view),
        edge_sharpness=_edge_sharpness(grey, edges),
        noise_level=_mean_beside(cv2.convertScaleAbs(cv2.Laplacian(grey, cv2.CV_16S)), edges),
        blockiness=_blockiness(grey) if planes.native else 1.0,
        part_density=_part_density(planes.view),
        short_side=float(min(width, height)),
    )
    return lambda: half(**msgspec.structs.asdict(of_windows()))


class _Planes(msgspec.Struct, frozen=True):
    """The pixels that statistics look at: RGBA, its alpha, and the luminance over the backdrop."""

    view: Pixels
    alpha: Grey
    grey: Grey
    ground: int
    opaque: bool
    native: bool


def _planes(pixels: Pixels) -> _Planes:
    view = _strided(pixels, LONGEST_SIDE)
    alpha = np.asarray(cv2.extractChannel(view, 3), dtype=np.uint8)
    grey = np.asarray(cv2.cvtColor(view, cv2.COLOR_RGBA2GRAY), dtype=np.uint8)
    opaque = cv2.minMaxLoc(alpha)[0] == 255
    ground = 0 if opaque else _ground(grey, alpha)
    if not opaque:
        grey = shown_on(ground, grey, alpha)
    return _Planes(view, alpha, grey, ground, opaque, view.shape == pixels.shape)


def _strided(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    n = -(-max(pixels.shape[:2]) // longest)
    return np.ascontiguousarray(pixels[::n, ::n])


def _share(mask: Mask | Grey) -> float:
    """Return the share of pixels that are not 0."""
    return int(cv2.countNonZero(mask.view(np.uint8))) / mask.size


def _mean_beside(values: NDArray[np.float32] | Grey, edges: Mask) -> float:
    """Return the mean over the pixels that are not edges; 0 where all are."""
    others = edges.size - cv2.countNonZero(edges.view(np.uint8))
    # Edges are few: taking them off the whole sum is faster than masking the rest.
    return float(cv2.sumElems(values)[0] - values[edges].sum(dtype=np.float64)) / others if others else 0.0


def _sobel(grey: Grey) -> tuple[Slopes, Slopes]:
    # Whole numbers of at most 4 * 255, so half the memory of floats: where it is fresh it costs more than the sums.
    return (
        np.asarray(cv2.Sobel(grey, cv2.CV_16S, 1, 0), dtype=np.int16),
        np.asarray(cv2.Sobel(grey, cv2.CV_16S, 0, 1), dtype=np.int16),
    )


def _squares(dx: Slopes, dy: Slopes) -> NDArray[np.float32]:
    """Return the square of each gradient's length: whole numbers that float32 holds exactly."""
    squares = np.asarray(cv2.multiply(dx, dx, dtype=cv2.CV_32F), dtype=np.float32)
    cv2.add(squares, cv2.multiply(dy, dy, dtype=cv2.CV_32F), dst=squares)
    return squares


def _entropy(grey: Grey) -> float:
    share = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel() / grey.size
    share = share[share > 0]
    return float(max(0.0, -(share * np.log2(share)).sum()))


def _colors(view: Pixels) -> tuple[float, float]:
    """Return distinct visible colours (by linear counting, Whang 1990) and the palette that covers 95 %."""
    rows = view[:: max(1, -(-view.shape[0] * view.shape[1] // MOST_COLOR_PIXELS))]
    words = np.ascontiguousarray(rows).view(np.uint32).ravel()
    visible = words >= 1 << 24  # alpha is the highest byte
    words = words if visible.all() else words[visible]
    if not words.size:
        return 1.0, 1.0
    cells = (words * np.uint32(2654435761)) >> np.uint32(32 - _HASH_BITS)
    table = np.zeros(1 << _HASH_BITS, dtype=np.bool_)
    table[cells] = True
    empty = max(table.size - int(np.count_nonzero(table)), 1)
    distinct = round(-table.size * float(np.log(empty / table.size)))
    coarse = ((words >> 4) & 0xF) | ((words >> 8) & 0xF0) | ((words >> 12) & 0xF00)
    counts = np.sort(np.bincount(coarse, minlength=4096))[::-1].cumsum()
    palette = int(np.searchsorted(counts, 0.95 * words.size)) + 1
    return float(max(distinct, 1)), float(palette)


def _color_variance(view: Pixels) -> float:
    _, deviation = cv2.meanStdDev(view)
    return float(np.square(deviation[:3]).mean() / 127.5**2)


def _text_probability(grey: Grey) -> float:
    """Return the share of ink parts that stand in one line of letters, weighted by there being at least four."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    _, ink = cv2.threshold(cv2.absdiff(grey, np.full_like(grey, np.median(border))), 64, 255, cv2.THRESH_BINARY)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    parts = stats[1:]
    parts = parts[parts[:, cv2.CC_STAT_AREA] >= 6]
    if not 2 <= len(parts) <= MOST_TEXT_PARTS:
        return 0.0
    heights = parts[:, cv2.CC_STAT_HEIGHT].astype(np.float64)
    bottoms = parts[:, cv2.CC_STAT_TOP] + heights
    alike = np.abs(heights[:, None] - heights) <= 0.35 * heights
    level = np.abs(bottoms[:, None] - bottoms) <= 0.25 * heights
    line = int((alike & level).sum(axis=0).max())
    return line / len(parts) * min(1.0, line / 4)


def _geometric_score(dx: Slopes, dy: Slopes, edges: Mask) -> float:
    if not edges.any():
        return 0.0
    across, along = np.abs(dx[edges]), np.abs(dy[edges])
    low, high = np.minimum(across, along), np.maximum(across, along)
    return float(((low <= _UPRIGHT * high) | (low >= _DIAGONAL * high)).mean())


def _corner_density(grey: Grey) -> float:
    if min(grey.shape) < 7:  # the detector's ring has a radius of 3
        return 0.0
    # Unblurred, each step of an aliased edge is a corner, and right angles tie with their neighbours and drop out.
    corners = cv2.FastFeatureDetector_create(FAST_THRESHOLD).detect(cv2.blur(grey, (3, 3)))
    return 1000 * len(corners) / grey.size


def _soft(alpha: Grey) -> Grey:
    return np.asarray(cv2.inRange(alpha, SOFT_LOW + 1, SOFT_HIGH - 1) & 1, dtype=np.uint8)


def _soft_interior(alpha: Grey) -> float:
    return _share(np.asarray(cv2.erode(_soft(alpha), np.ones((3, 3), np.uint8), borderValue=0)))


def _flat_fraction(view: Pixels) -> float:
    words = view.view(np.int32)[..., 0]
    if min(words.shape) < 2:
        return 1.0
    here = words[:-1, :-1]
    return _share(_equal(here, words[:-1, 1:]) & _equal(here, words[1:, :-1]))


def _equal(one: NDArray[np.int32], other: NDArray[np.int32]) -> Grey:
    return np.asarray(cv2.compare(one, other, cv2.CMP_EQ), dtype=np.uint8)


def _edge_sharpness(grey: Grey, edges: Mask) -> float:
    if not edges.any():
        return 1.0
    near = _local_range(grey, 3)[edges].astype(np.float32)
    wide = _local_range(grey, 5)[edges].astype(np.float32)
    return float((near / np.maximum(wide, 1)).mean())


def _local_range(grey: Grey, size: int) -> Grey:
    kernel = np.ones((size, size), np.uint8)
    return np.asarray(cv2.subtract(cv2.dilate(grey, kernel), cv2.erode(grey, kernel)), dtype=np.uint8)


def _blockiness(grey: Grey) -> float:
    """Return the mean step across 8 px borders over the mean step elsewhere."""
    if min(grey.shape) < 2:
        return 1.0
    across = (
        cv2.absdiff(grey[:, 1:], grey[:, :-1]).mean(axis=0),
        cv2.absdiff(grey[1:], grey[:-1]).mean(axis=1),
    )
    borders = np.concatenate([a[7::8] for a in across])
    others = np.concatenate([np.delete(a, np.s_[7::8]) for a in across])
    if not borders.size or not others.size or others.mean() < 1e-3:
        return 1.0
    return float(min(borders.mean() / others.mean(), 8.0))


def _part_density(view: Pixels) -> float:
    """Return upper-left corners of connected parts per 1,000 pixels: their colour differs to the left and above."""
    coarse = (view & np.uint8(0xE0)).view(np.int32)[..., 0]
    if min(coarse.shape) < 2:
        return 0.0
    here = coarse[1:, 1:]
    return 1000 * (1.0 - _share(_equal(here, coarse[1:, :-1]) | _equal(here, coarse[:-1, 1:])))
