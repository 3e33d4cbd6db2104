"""Pictures for the converter's tests: RGBA, uint8 [height, width, 4], with the kinds of alpha that logos have."""

import cv2
import numpy as np

from router.pixels import Pixels
from tests.router.drawings import checks, disc, letters, square


def wordmark() -> Pixels:
    """Return dark anti-aliased letters on nothing."""
    mask = np.zeros((64, 200), np.uint8)
    cv2.putText(mask, "vecroute", (8, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 255, 2, cv2.LINE_AA)
    picture = np.zeros((*mask.shape, 4), np.uint8)
    picture[mask > 0, :3] = (30, 40, 90)
    picture[..., 3] = mask
    return picture


def shadowed() -> Pixels:
    """Return a red disc over its own soft shadow, on nothing."""
    shadow, disc = np.zeros((96, 96), np.uint8), np.zeros((96, 96), np.uint8)
    cv2.circle(shadow, (52, 54), 30, 160, -1)
    cv2.circle(disc, (44, 42), 24, 255, -1)
    picture = np.zeros((96, 96, 4), np.uint8)
    picture[..., 3] = cv2.GaussianBlur(shadow, (0, 0), 6)
    picture[disc > 0] = (210, 40, 30, 255)
    return picture


def with_clear_column(side: int = 40) -> Pixels:
    """Return an opaque picture of two colours but for one column of nothing."""
    picture = np.full((side, side, 4), (30, 120, 60, 255), np.uint8)
    picture[side // 4 : side // 2, side // 4 : side // 2, :3] = (240, 220, 40)
    picture[:, side - 10] = 0
    return picture


def checked(height: int, width: int) -> Pixels:
    """Return opaque fields of two colours, 5 px each."""
    rows, columns = np.indices((height, width)) // 5
    picture = np.full((height, width, 4), (250, 250, 250, 255), np.uint8)
    picture[(rows + columns) % 2 == 1, :3] = (20, 60, 120)
    return picture


def clear(height: int = 20, width: int = 30) -> Pixels:
    """Return a picture in which nothing is visible, though there are colours under it."""
    return np.full((height, width, 4), (200, 10, 10, 0), np.uint8)


# Opaque and transparent ones, soft and aliased edges, all kinds of slopes.
PICTURES = {
    "disc": disc(soft=1),
    "letters": letters(6),
    "checks": checks(12),
    "wordmark": wordmark(),
    "turned square": square(20),
    "wide": checked(20, 90),
    "clear column": with_clear_column(),
}
