"""What a picture loses in few colours is what plans with few lose."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from router._reduced import Enlarged, corners
from router.pixels import Pixels, palettes
from tests.router.drawings import checks, disc, noise, plain, square


def over_white(picture: Pixels) -> Pixels:
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = (picture[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return np.dstack([mixed, picture[..., 3]])


class Reduced(NamedTuple):
    """What a palette leaves of a picture: each enlarged pixel's entry, and the luminance drawn back."""

    entries: NDArray[np.uint8]
    plane: NDArray[np.uint8]


def enlarged(picture: Pixels, times: int, *colors: int) -> Enlarged:
    return Enlarged(over_white(np.ascontiguousarray(picture)), 255, times, palettes(picture, colors))


def reduced(picture: Pixels, colors: int, times: int = 2) -> Reduced:
    """What a palette of the picture's own leaves of it."""
    image = enlarged(picture, times, colors)
    return Reduced(image.entries[0], image.drawn_back()[0])


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("picture", [square(), plain(), disc(alpha=True)], ids=["square", "plain", "hole"])
def test_a_picture_of_few_colours_hardly_changes(picture: Pixels, times: int) -> None:
    shown = over_white(np.ascontiguousarray(picture))
    entries, plane = reduced(picture, 4, times)
    assert entries.shape == tuple(times * side for side in picture.shape[:2])
    grey = shown[..., :3] @ np.array([0.299, 0.587, 0.114])
    assert plane.shape == picture.shape[:2]
    assert np.median(np.abs(plane - grey)) <= 4  # half a cell
    assert np.abs(plane - grey).mean() < 8


def test_what_a_binary_matte_hides_is_ground() -> None:
    assert (reduced(plain(alpha=100), 4).plane == 255).all()


@pytest.mark.parametrize(("alpha", "left"), [(100, 0), (200, 255)])
def test_a_binary_matte_leaves_alpha_on_or_off(alpha: int, left: int) -> None:
    assert (enlarged(plain(alpha=alpha), 2, 4).alpha() == left).all()


def test_the_finer_a_matte_is_cut_the_softer_its_border_is_drawn() -> None:
    border = disc(soft=2, alpha=True)
    off = [np.abs(Enlarged(border, 255, times, []).alpha().astype(int) - border[..., 3]).mean() for times in (1, 2, 4)]
    assert off == sorted(off, reverse=True)
    assert off[2] < off[0]


def test_outlines_have_their_corners_in_each_palette() -> None:
    picture = square()
    few, more = (corners(reduced(picture, colors).entries) for colors in (2, 16))
    assert 0 < few <= more  # soft edges have outlines of their own
    side = 2 * picture.shape[0] - 1
    assert few * side**2 / 1000 == pytest.approx(4, abs=8)


def test_between_tiles_is_no_corner() -> None:
    striped = np.concatenate([plain((side, 0, 0), side=40) for side in (0, 90, 180, 250)], axis=1)
    mosaic = np.concatenate([striped, striped[:, ::-1]])
    entries = reduced(mosaic, 4).entries
    assert (corners(entries) > 0, corners(entries, down=2, across=4)) == (True, 0)


def test_one_pixel_has_no_corner() -> None:
    assert corners(reduced(plain(side=1), 4).entries) == 0


def test_palettes_together_leave_what_each_leaves_alone() -> None:
    picture = noise(20)
    together = enlarged(picture, 2, 2, 5, 16)
    for place, colors in enumerate((2, 5, 16)):
        alone = reduced(picture, colors)
        assert np.array_equal(together.entries[place], alone.entries)
        assert np.array_equal(together.drawn_back()[place], alone.plane)


def test_where_a_picture_shows_nothing_all_of_it_is_ground() -> None:
    # Enlarged, its alpha may swing above one half where it nowhere was.
    faint = checks(1)
    faint[..., 3] = np.where(faint[..., 0] > 127, 127, 0)
    image = enlarged(faint, 4, 4, 8)
    assert all((plane == 255).all() for plane in image.drawn_back())
    assert all((entries == 0).all() for entries in image.entries)
