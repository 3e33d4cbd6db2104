"""What a picture loses in few colours is what plans with few lose."""

import numpy as np
import pytest

from router._reduced import reduced
from router.pixels import Pixels, palettes
from tests.router.drawings import disc, plain, square


def over_white(picture: Pixels) -> Pixels:
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = (picture[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return np.dstack([mixed, picture[..., 3]])


@pytest.mark.parametrize("picture", [square(), plain(), disc(alpha=True)], ids=["square", "plain", "hole"])
def test_a_picture_of_few_colours_hardly_changes(picture: Pixels) -> None:
    shown = over_white(np.ascontiguousarray(picture))
    ((plane, _),) = reduced(shown, palettes(picture, [4]), 255)
    grey = shown[..., :3] @ np.array([0.299, 0.587, 0.114])
    assert plane.shape == picture.shape[:2]
    assert np.median(np.abs(plane - grey)) <= 4  # half a cell
    assert np.abs(plane - grey).mean() < 8


def test_what_a_binary_matte_hides_is_ground() -> None:
    faint = plain(alpha=100)
    assert (reduced(over_white(faint), palettes(faint, [4]), 255)[0].plane == 255).all()


def test_outlines_have_their_corners_in_each_palette() -> None:
    picture = square()
    few, more = reduced(picture, palettes(picture, (2, 16)), 255)
    assert 0 < few.corners <= more.corners  # soft edges have outlines of their own
    side = 2 * picture.shape[0] - 1
    assert few.corners * side**2 / 1000 == pytest.approx(4, abs=8)


def test_between_tiles_is_no_corner() -> None:
    striped = np.concatenate([plain((side, 0, 0), side=40) for side in (0, 90, 180, 250)], axis=1)
    mosaic = np.concatenate([striped, striped[:, ::-1]])
    (whole,) = reduced(mosaic, palettes(mosaic, [4]), 255)
    (tiled,) = reduced(mosaic, palettes(mosaic, [4]), 255, down=2, across=4)
    assert (whole.corners > 0, tiled.corners) == (True, 0)
    assert (whole.plane == tiled.plane).all()


def test_one_pixel_has_no_corner() -> None:
    (one,) = reduced(plain(side=1), palettes(plain(side=1), [4]), 255)
    assert one.corners == 0
