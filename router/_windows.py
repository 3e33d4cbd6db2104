"""Windows of 7 x 7 pixels, as SSIM looks at them: how much of an image is faint texture, and what hard edges cost it.

SSIM compares windows; where their variance is small against its constant, losing all detail costs little, elsewhere
nearly everything. So the spread of variances foretells quality, and so does comparing the image with its own crudest
tracing: hard edges, few colours.
"""

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from router._decode import Pixels
from router._palette import Colors, as_words, palettes
from router._reduced import Enlarged, corners, levels
from router._shapes import Shapes

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]

WINDOW = 7
# SSIM's constants for 8-bit planes (Wang et al. 2004): (0.01 * 255)^2 and (0.03 * 255)^2.
C1, C2 = 6.5025, 58.5225
# Windows are looked at in at most 4 x 4 tiles of this side, at native resolution.
TILE, TILES = 40, 4
# Pixels that an image has at most where palettes are tried on it: those of its tiles, enlarged twice.
MOST_ENLARGED = (2 * TILE * TILES) ** 2
# Bounds of the classes of variance, luminance steps squared.
FAINT, MIDDLE, STRONG = 1.0, 16.0, 256.0
FEW_COLORS = (3, 4, 8, 16)
THOUSANDTHS = 1000
POSTER_BITS = 5  # dropped of 8: what eight levels leave of an image


class Windows(msgspec.Struct, frozen=True):
    """Shares and similarities, 0..1, corners, and losses in thousandths; `router.Features` says what each means."""

    smoothness: float
    faint_texture: float
    middle_texture: float
    hard_edges: float
    hard_alpha: float
    poster: float
    despeckled: float
    in_four_colors: float
    in_sixteen_colors: float
    corners_in_four: float
    corners_in_sixteen: float
    lost_in_four_1x: float
    lost_in_eight_1x: float
    lost_in_sixteen_1x: float
    lost_in_eight_2x: float
    lost_in_four_4x: float
    lost_in_eight_4x: float
    lost_in_sixteen_4x: float
    lost_alpha_2x: float
    lost_alpha_4x: float
    lost_drawn_in_three_2x: float
    lost_drawn_in_four_2x: float
    lost_drawn_in_eight_2x: float
    lost_drawn_in_sixteen_2x: float
    lost_drawn_in_three_4x: float
    lost_drawn_in_four_4x: float
    lost_drawn_in_eight_4x: float
    lost_drawn_in_sixteen_4x: float


def windows(pixels: Pixels, ground: int) -> Windows:
    """Measure RGBA pixels at native resolution, over a grey ground."""
    tiled, down, across = _tiles(pixels)
    alpha = np.asarray(cv2.extractChannel(tiled, 3), dtype=np.uint8)
    opaque = alpha.min() == 255
    plane = np.asarray(cv2.cvtColor(tiled, cv2.COLOR_RGBA2GRAY), dtype=np.uint8)
    if not opaque:
        plane = shown_on(ground, plane, alpha)
    inside = _Inside(plane.shape, down, across)
    compared = _Compared(plane, inside)
    variance = inside(compared.variance)
    shown = tiled if opaque else _over(tiled, ground)
    of_alpha = None if opaque else _Compared(alpha, inside)
    # The larger an image, the less another step tells, and the more it costs.
    whole, tiny = down * across == 1, 16 * plane.size <= MOST_ENLARGED
    sizes = palettes(pixels, FEW_COLORS if whole else FEW_COLORS[1:])
    image = Enlarged(shown, ground, 2, sizes)
    larger = Enlarged(shown, ground, 4, sizes) if whole and tiny else image
    twice = _Left(image, compared, of_alpha)
    once = _Left(Enlarged(shown, ground, 1, sizes), compared, of_alpha) if whole else twice
    fourfold = twice if larger is image else _Left(larger, compared, of_alpha)
    flat = [twice.colors[0], *twice.colors]
    drawn_twice, drawn_fourfold = _as_shapes(image, larger, sizes, ground, compared) if whole else (flat, flat)
    return Windows(
        smoothness=float((C2 / (variance + np.float32(C2))).mean()),
        faint_texture=_between(variance, FAINT, MIDDLE),
        middle_texture=_between(variance, MIDDLE, STRONG),
        hard_edges=compared.similarity(_hardened(plane)),
        hard_alpha=1.0 if of_alpha is None else of_alpha.similarity(_cut(alpha)),
        poster=compared.similarity(_poster(plane)),
        despeckled=compared.similarity(np.asarray(cv2.medianBlur(plane, 3), dtype=np.uint8)),
        in_four_colors=twice.colors[0],
        in_sixteen_colors=twice.colors[2],
        corners_in_four=corners(image.entries[-3], down=down, across=across),
        corners_in_sixteen=corners(image.entries[-1], down=down, across=across),
        lost_in_four_1x=_lost(once.colors[0]),
        lost_in_eight_1x=_lost(once.colors[1]),
        lost_in_sixteen_1x=_lost(once.colors[2]),
        lost_in_eight_2x=_lost(twice.colors[1]),
        lost_in_four_4x=_lost(fourfold.colors[0]),
        lost_in_eight_4x=_lost(fourfold.colors[1]),
        lost_in_sixteen_4x=_lost(fourfold.colors[2]),
        lost_alpha_2x=_lost(twice.alpha),
        lost_alpha_4x=_lost(fourfold.alpha),
        lost_drawn_in_three_2x=_lost(drawn_twice[0]),
        lost_drawn_in_four_2x=_lost(drawn_twice[1]),
        lost_drawn_in_eight_2x=_lost(drawn_twice[2]),
        lost_drawn_in_sixteen_2x=_lost(drawn_twice[3]),
        lost_drawn_in_three_4x=_lost(drawn_fourfold[0]),
        lost_drawn_in_four_4x=_lost(drawn_fourfold[1]),
        lost_drawn_in_eight_4x=_lost(drawn_fourfold[2]),
        lost_drawn_in_sixteen_4x=_lost(drawn_fourfold[3]),
    )


def shown_on(ground: int, grey: Grey, alpha: Grey) -> Grey:
    """Return the luminance that shows where a grey plane with alpha lies on black (0) or white (255)."""
    shown = cv2.multiply(grey, alpha, scale=1 / 255)
    # On black the product is already what shows; on white the rest of each pixel is white.
    return np.asarray(cv2.add(shown, cv2.bitwise_not(alpha)) if ground else shown, dtype=np.uint8)


def _over(pixels: Pixels, ground: int) -> Pixels:
    """Return RGBA pixels over a grey ground, alpha as it was."""
    red, green, blue, alpha = (np.asarray(plane, dtype=np.uint8) for plane in cv2.split(pixels))
    return np.asarray(cv2.merge([shown_on(ground, plane, alpha) for plane in (red, green, blue)] + [alpha]), np.uint8)


def _tiles(pixels: Pixels) -> tuple[Pixels, int, int]:
    """Return an image's tiles put together, at least a window a side, and how many there are down and across."""
    lacking = [(0, max(0, WINDOW - side)) for side in pixels.shape[:2]]
    if any(after for _, after in lacking):
        pixels = np.pad(pixels, [*lacking, (0, 0)], mode="edge")
    (rows, down), (columns, across) = (_spread(side) for side in pixels.shape[:2])
    if down == across == 1:
        return np.ascontiguousarray(pixels), down, across
    # Rows first: they lie in one piece.
    words = as_words(pixels)[rows].take(columns, axis=1)
    return words.view(np.uint8).reshape(len(rows), len(columns), 4), down, across


def _spread(side: int) -> tuple[NDArray[np.intp], int]:
    """Return the indices of evenly spread tiles along a side, or all of them where it is short."""
    if side <= TILE * TILES:
        return np.arange(side), 1
    starts = np.linspace(0, side - TILE, TILES).astype(np.intp)
    return (starts[:, None] + np.arange(TILE)).ravel(), TILES


def _hardened(plane: Grey) -> Grey:
    """Return the plane with every edge as steep as pixels allow: each takes the nearer extreme of its neighbours."""
    kernel = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(plane, kernel), cv2.dilate(plane, kernel)
    return np.asarray(np.where(plane >= cv2.addWeighted(low, 0.5, high, 0.5, 0), high, low), dtype=np.uint8)


def _poster(plane: Grey) -> Grey:
    """Return the plane in eight levels, each the middle of its span."""
    levels = plane >> POSTER_BITS << POSTER_BITS | np.uint8(1 << (POSTER_BITS - 1))
    return np.asarray(levels, dtype=np.uint8)


def _cut(alpha: Grey) -> Grey:
    """Return alpha as a binary matte has it: on or off."""
    return np.asarray(cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1], dtype=np.uint8)


class _Inside:
    """Takes the windows that lie whole within one tile out of a plane of window values."""

    def __init__(self, shape: tuple[int, ...], down: int, across: int) -> None:
        self._tiled = (down, shape[0] // down, across, shape[1] // across)

    def __call__(self, values: Plane) -> Plane:
        """Return those values, [tiles down, rows, tiles across, columns]."""
        edge = WINDOW // 2
        return values.reshape(self._tiled)[:, edge : self._tiled[1] - edge, :, edge : self._tiled[3] - edge]


class _Compared:
    """A plane that others are compared with; its own means and variances are computed once."""

    def __init__(self, plane: Grey, inside: _Inside) -> None:
        self._plane, self._inside = plane, inside
        self._mean = _mean(plane)
        self._square = self._mean * self._mean
        self.variance = np.maximum(_mean_square(plane) - self._square, 0)

    def similarity(self, other: Grey) -> float:
        """Return the SSIM, 0..1, of the plane and another, with plain variances.

        Quality takes the sample's, 49 / 48 of them; that difference is far below what a feature is to tell.
        """
        shared = _mean(np.asarray(cv2.multiply(self._plane, other, dtype=cv2.CV_16U), dtype=np.uint16))
        mean, variance = _mean(other), _mean_square(other)
        # In place: a fresh plane for every step would take a quarter longer. Both factors above are halved; so they are
        # those below to the last bit where planes are the same.
        both = self._mean * mean
        shared -= both
        shared += np.float32(C2 / 2)
        both += np.float32(C1 / 2)
        shared *= both
        mean *= mean
        variance -= mean
        variance += self.variance
        variance += np.float32(C2)
        mean += self._square
        mean += np.float32(C1)
        variance *= mean
        shared /= variance
        return float(min(max(4 * self._inside(shared).mean(), 0.0), 1.0))


class _Left:
    """What palettes of 4, 8 and 16 colours and a binary matte leave of an image at one step: similarities."""

    def __init__(self, image: Enlarged, compared: _Compared, of_alpha: _Compared | None) -> None:
        self.colors = [compared.similarity(plane) for plane in image.drawn_back()[-3:]]
        self.alpha = 1.0 if of_alpha is None else of_alpha.similarity(image.alpha())


def _as_shapes(
    image: Enlarged, larger: Enlarged, sizes: list[Colors], ground: int, compared: _Compared
) -> tuple[list[float], list[float]]:
    """Return what each palette leaves of an image that is drawn as shapes: without threads, and larger with them."""
    shapes = [Shapes(own, palette, levels(palette, ground)) for own, palette in zip(image.entries, sizes, strict=True)]
    without = [compared.similarity(one.drawn(one.without_threads(), image.times)) for one in shapes]
    pairs = zip(shapes, larger.entries, strict=True)
    return without, [compared.similarity(one.drawn(own, larger.times)) for one, own in pairs]


def _lost(similarity: float) -> float:
    return THOUSANDTHS * (1 - similarity)


def _mean(plane: Grey | NDArray[np.uint16]) -> Plane:
    """Return the mean of the window around each pixel."""
    return np.asarray(cv2.boxFilter(plane, cv2.CV_32F, (WINDOW, WINDOW)), dtype=np.float32)


def _mean_square(plane: Grey) -> Plane:
    """Return the mean of the squares in the window around each pixel."""
    return np.asarray(cv2.sqrBoxFilter(plane, cv2.CV_32F, (WINDOW, WINDOW)), dtype=np.float32)


def _between(values: Plane, low: float, high: float) -> float:
    """Return the share of values from `low` to below `high`."""
    return int(np.count_nonzero((values >= low) & (values < high))) / values.size
