"""Pictures drawn by arithmetic for the tests of decoding and measuring: RGBA, uint8 [height, width, 4]."""

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

from router.pixels import Pixels

SIDE = 96


def plain(color: tuple[int, int, int] = (200, 30, 30), side: int = SIDE, alpha: int = 255) -> Pixels:
    """Return one colour everywhere."""
    return np.full((side, side, 4), (*color, alpha), dtype=np.uint8)


def square(turn: float = 0.0, ground: int = 255, ink: int = 20) -> Pixels:
    """Return a dark square in the middle, turned by some degrees."""
    picture = plain((ground, ground, ground))
    corners = cv2.boxPoints(((SIDE / 2, SIDE / 2), (40, 40), turn))
    cv2.fillPoly(picture, [np.round(corners).astype(np.int32)], (ink, ink, ink, 255))
    return picture


def disc(radius: int = 30, *, soft: int = 0, alpha: bool = False) -> Pixels:
    """Return a red disc on white or, with alpha, on nothing; `soft` is the width of its blurred border, px."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    cv2.circle(mask, (SIDE // 2, SIDE // 2), radius, 255, -1)
    if soft:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), dtype=np.uint8)
    picture = plain()
    if alpha:
        picture[..., 3] = mask
        return picture
    share = mask[..., None] / 255
    picture[..., :3] = np.round(picture[..., :3] * share + 255 * (1 - share))
    return picture


def ramp(colors: int = 256) -> Pixels:
    """Return a grey ramp from left to right in so many steps."""
    line = (np.arange(256) * colors // 256) * 255 // max(colors - 1, 1)
    picture = plain(side=256)
    picture[..., :3] = line[None, :, None]
    return picture


def noise(strength: int, seed: int = 5) -> Pixels:
    """Return mid-grey with uniform noise of plus and minus `strength`."""
    random = np.random.default_rng(seed)
    picture = plain()
    grey = 128 + random.integers(-strength, strength + 1, (SIDE, SIDE, 1))
    picture[..., :3] = grey
    return picture


def letters(count: int, *, scattered: bool = False) -> Pixels:
    """Return so many upright bars like letters in a row, or strewn over the picture at many heights."""
    picture = plain((255, 255, 255), side=192)
    for i in range(count):
        x, top, height = 8 + i * 18, 80, 24
        if scattered:
            top, height = 10 + (i * 53) % 120, 6 + (i * 17) % 40
        picture[top : top + height, x : x + 8, :3] = 0
    return picture


def checks(size: int) -> Pixels:
    """Return a chessboard of two colours with fields of `size` px."""
    rows, columns = np.indices((SIDE, SIDE)) // size
    picture = plain((250, 250, 250))
    picture[(rows + columns) % 2 == 1, :3] = (20, 60, 120)
    return picture


def blocky(strength: int) -> Pixels:
    """Return a shading whose 8 px blocks differ by `strength`, as strong JPEG compression makes them."""
    rows, columns = np.indices((SIDE, SIDE))
    picture = plain()
    shade = 60 + rows + (rows // 8 + columns // 8) % 2 * strength
    picture[..., :3] = shade[..., None]
    return picture


def encoded(picture: Pixels | Image.Image, fmt: str = "PNG", **options: Any) -> bytes:
    """Return a picture's file."""
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, fmt, **options)
    return buffer.getvalue()
