"""Outlines that follow pixels become smooth ones: stair steps are cut at their middles, then points left out.

Slopes and curves come out of a tracer of pixels as steps, which show as soon as a drawing is enlarged. The middles of
the steps of a straight edge lie on that edge, so a polygon through them is truer than one through their corners, and
needs less than half as many points. A corner of the drawing itself has no step beside it and stays.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from converter._colors import Colors, exact
from converter._compact import PATH, color, ring

HALF_PIXELS = 2  # of the result in one pixel of the outlines
# How far a point that is left out may lie beside the line that replaces it, pixels. Below one half a line cannot leave
# the pixels that it bounds; from there on quality falls faster than bytes do.
TOLERANCE = 0.45
# Of strokes one pixel wide, which an image has at its native size, more would be left out.
NATIVE_TOLERANCE = 0.3

Points = NDArray[np.int32]
_NUMBERS = str.maketrans("MLZ,", "    ")


def smoothed(paths: Sequence[str], flat: Colors, speckle: int = 0, tolerance: float = TOLERANCE) -> list[str]:
    """Return VTracer's path elements of mode `none` as smooth ones, whose unit is half a pixel.

    Fills near one of the `flat` colours, [n, 3], become that colour. Shapes of at most `speckle` squared pixels are
    left out: what lies below them shows, where shapes are stacked. `tolerance` is in pixels.
    """
    found = [match.groups() for match in map(PATH.fullmatch, paths) if match is not None]
    assert len(found) == len(paths), "pixel outlines have whole coordinates"
    # VTracer writes shapes that it has merged into others, too: without an outline.
    found = [groups for groups in found if groups[0]]
    if not found:
        return []
    texts = [text for text, *_ in found]
    counts = np.array([part.count(",") for text in texts for part in text.split("Z")[:-1]])
    rings = np.array([text.count("Z") for text in texts])
    corners = np.array(" ".join(texts).translate(_NUMBERS).split(), dtype=np.int32).reshape(-1, 2)
    moved = np.array([(left, top) for _, _, left, top in found], dtype=np.int32)
    corners += np.repeat(np.repeat(moved, rings, axis=0), counts, axis=0)
    fills = [fill for _, fill, *_ in found]
    if speckle:
        large = _areas(corners, counts)[rings.cumsum() - rings] > speckle**2
        of_large = np.repeat(large, rings)
        corners, counts, rings = corners[np.repeat(of_large, counts)], counts[of_large], rings[large]
        fills = [fill for fill, kept in zip(fills, large.tolist(), strict=True) if kept]
        if not fills:
            return []
    outlines = (_fewer(points, tolerance) for points in _split(*cut(corners, counts)))
    return [
        f'<path d="{"".join(_text(next(outlines)) for _ in range(count))}" fill="{color(fill)}"/>'
        for count, fill in zip(rings.tolist(), exact(fills, flat), strict=True)
    ]


def _areas(corners: Points, counts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the area, pixels, that each ring bounds; a shape's first ring is its outer one."""
    _, after = _neighbours(counts)
    wide = corners.astype(np.int64)
    twice = np.add.reduceat(wide[:, 0] * wide[after, 1] - wide[after, 0] * wide[:, 1], counts.cumsum() - counts)
    return np.asarray(np.abs(twice) // 2)


def cut(corners: Points, counts: NDArray[np.intp]) -> tuple[Points, NDArray[np.intp]]:
    """Return the points, in half pixels, that rings of pixel corners have once their steps are cut, and their counts.

    `corners` are those of all rings one after the other, [N, 2], straight edges between them; `counts` [rings].
    """
    before, after = _neighbours(counts)
    edge = corners[after] - corners
    length, direction = np.abs(edge).sum(axis=1), np.sign(edge)
    turn = direction[before, 0] * direction[:, 1] - direction[before, 1] * direction[:, 0]
    # The two turns of a step go opposite ways; at the end of a bar, or at a curve's outermost pixels, both go the same.
    end = turn == turn[after]
    # A step of a slope is one pixel high or wide. What has longer edges on both sides is a corner, and so is that
    # between two ends: a bar of one pixel has such.
    corner = ((length[before] > 1) & (length > 1)) | (end[before] & end)
    points = np.empty((len(corners), 3, 2), dtype=np.int32)
    points[:, 0] = HALF_PIXELS * corners
    points[:, 1] = np.where(end[:, None], HALF_PIXELS * corners + direction, corners + corners[after])
    points[:, 2] = HALF_PIXELS * corners[after] - direction
    used = np.empty((len(corners), 3), dtype=np.bool_)
    used[:, 0] = corner
    used[:, 1] = ~corner & (end | ~corner[after])
    # An end of one pixel whose both corners go has its middle already.
    used[:, 2] = end & ~corner[after] & (corner | (length > 1))
    ring_of = np.repeat(np.arange(len(counts)), counts)
    return points[used], np.bincount(ring_of, weights=used.sum(axis=1), minlength=len(counts)).astype(np.intp)


def _neighbours(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the index of each corner's predecessor and successor in its ring."""
    own = np.arange(counts.sum())
    first = np.repeat(counts.cumsum() - counts, counts)
    last = first + np.repeat(counts, counts) - 1
    return np.where(own == first, last, own - 1), np.where(own == last, first, own + 1)


def _split(points: Points, counts: NDArray[np.intp]) -> Iterator[Points]:
    ends = counts.cumsum().tolist()
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        yield points[start:end]


def _fewer(points: Points, tolerance: float) -> Points:
    """Return a ring without the points that lie on lines between others."""
    kept = cv2.approxPolyDP(points, HALF_PIXELS * tolerance, closed=True)[:, 0]
    return kept if len(kept) > 2 else points


def _text(points: Points) -> str:
    xs, ys = points.T.tolist()
    return ring(xs, ys)
