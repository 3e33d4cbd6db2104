"""An image in few colours, drawn as VTracer's stacked shapes are: threads left out, edges smoothed shape by shape.

VTracer lets each shape, the smallest first, go into the neighbour whose colour is nearest, which is drawn beneath it.
Shapes side by side share an edge; where that crosses a pixel, both cover it in part and what lies beneath both shows
through. Neither is seen in the colours alone, and small images lose more by it than by having few colours.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from router._palette import Colors

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# A byte for each entry of a pixel's row, by how many times as large an image is.
_WORDS: dict[int, type[np.uint16 | np.uint32]] = {2: np.uint16, 4: np.uint32}
_REPEATED = 0x0101010101010101
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class Shapes:
    """What an enlarged image's entries in a palette become as shapes; each entry counts as one.

    `levels` holds each entry's luminance, the ground's in the last place, which lies beneath all and is no shape.
    """

    def __init__(self, entries: Grey, palette: Colors, levels: Grey) -> None:
        self._entries = entries
        self._luminance = np.zeros(256, np.uint8)  # as OpenCV looks it up
        self._luminance[: len(levels)] = levels
        self._meeting = _meeting(entries, len(palette))
        self._apart = np.abs(palette[:, None] - palette).sum(axis=2)
        areas = cv2.calcHist([entries], [0], None, [256], [0, 256]).ravel()[: len(palette)]
        order, covers = _stacked(areas.tolist(), self._meeting, self._apart)
        # From the ground upward, as they are drawn.
        self._covers = covers[order]
        self._tones = levels[[-1, *order]].astype(np.float32)

    def without_threads(self) -> Grey:
        """Return the entries with threads, no more than two pixels wide, given to the nearest colour that theirs meets.

        An image of nothing but threads stays.
        """
        thick = _thick(self._entries)
        if not cv2.countNonZero(thick) or not self._meeting.any():
            return self._entries
        given = np.arange(256, dtype=np.uint8)
        nearest = np.where(self._meeting, self._apart, np.inf).argmin(axis=1)
        given[: len(nearest)] = np.where(self._meeting.any(axis=1), nearest, given[: len(nearest)])
        return np.asarray(cv2.copyTo(self._entries, thick, cv2.LUT(self._entries, given)), dtype=np.uint8)

    def drawn(self, entries: Grey, times: int) -> Grey:
        """Return the luminance that is left of an image, [height, width], where `entries` are drawn as these shapes.

        `entries` are those of the image `times` (2 or 4) as large.
        """
        height, width = (side // times for side in entries.shape)
        first = np.ascontiguousarray(entries[::times, ::times])
        # The entries that make up one pixel lie in `times` words of as many bytes.
        words = entries.view(_WORDS[times]).reshape(height, times, width)
        alike = first * _WORDS[times](_REPEATED >> 64 - 8 * times)
        mixed = np.flatnonzero(np.logical_or.reduce([words[:, row] != alike for row in range(times)]))
        parts = words.swapaxes(1, 2)[np.divmod(mixed, width)].view(np.uint8)
        shown = np.asarray(cv2.LUT(first, self._luminance), dtype=np.uint8)
        shown.ravel()[mixed] = self._over_each_other(parts)
        return shown

    def _over_each_other(self, parts: Grey) -> Grey:
        """Return the luminance of pixels that lie in several shapes; `parts` holds their entries, [pixels, parts]."""
        pixels, count = len(parts), self._covers.shape[1] + 1
        places = parts * np.intp(pixels) + np.arange(pixels)[:, None]
        shares = np.bincount(places.ravel(), minlength=pixels * count).reshape(count, pixels)[:-1].astype(np.float32)
        covered = self._covers / np.float32(parts.shape[1]) @ shares
        # What shows of all beneath a shape, through it and those above; NumPy's own product of rows takes far longer.
        left = 1 - covered
        for place in range(len(left) - 2, -1, -1):
            left[place] *= left[place + 1]
        shown = self._tones[-1] - np.diff(self._tones) @ left
        return np.asarray(shown + np.float32(0.5)).astype(np.uint8)


def _stacked(areas: list[float], meeting: Mask, apart: Colors) -> tuple[list[int], Colors]:
    """Return how VTracer stacks entries: the order in which they are drawn, and what each covers, [entries, entries].

    An entry covers itself and all that has gone into it, 1 each, and each time what lies beneath takes over whom the
    one above it met. Entries of no area are not drawn.
    """
    beside = [set(np.flatnonzero(row).tolist()) for row in meeting]
    left = {entry for entry, area in enumerate(areas) if area}
    covers, distances = np.eye(len(areas), dtype=np.float32), apart.tolist()
    order = []
    while left:
        smallest = min(left, key=areas.__getitem__)
        left.remove(smallest)
        order.append(smallest)
        around = beside[smallest] & left
        if not around:
            continue
        under = min(around, key=distances[smallest].__getitem__)
        covers[under] += covers[smallest]
        areas[under] += areas[smallest]
        around.remove(under)
        beside[under] |= around
        for entry in around:
            beside[entry].add(under)
    return order[::-1], covers


def _thick(entries: Grey) -> Grey:
    """Tell, 255 or 0, which pixels are no part of a thread.

    Those lie inside their entry, with four neighbours of it, or no more than two steps from such within it.
    """
    inside = cv2.compare(cv2.erode(entries, _CROSS), cv2.dilate(entries, _CROSS), cv2.CMP_EQ)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    # What lies beside a pixel inside an entry is of that entry, too.
    near = np.asarray(cv2.dilate(inside, _CROSS), dtype=np.uint8)
    sideways = cv2.compare(entries[:, 1:], entries[:, :-1], cv2.CMP_EQ)
    downwards = cv2.compare(entries[1:], entries[:-1], cv2.CMP_EQ)
    thick = near.copy()
    thick[:, :-1] |= near[:, 1:] & sideways
    thick[:, 1:] |= near[:, :-1] & sideways
    thick[:-1] |= near[1:] & downwards
    thick[1:] |= near[:-1] & downwards
    return thick


def _meeting(entries: Grey, count: int) -> Mask:
    """Tell which of the entries below `count` meet somewhere, [count, count]; none meets itself."""
    flat, size = entries.ravel(), count + 1
    met = np.zeros(size**2, np.bool_)
    for step, here, there in ((1, entries[:, :-1], entries[:, 1:]), (entries.shape[1], entries[:-1], entries[1:])):
        differ = np.zeros(entries.shape, np.bool_)
        np.not_equal(here, there, out=differ[: here.shape[0], : here.shape[1]])
        places = np.flatnonzero(differ)
        met[flat[places].astype(np.intp) * size + flat[places + step]] = True
    table = met.reshape(size, size)[:count, :count]
    return np.asarray(table | table.T)
