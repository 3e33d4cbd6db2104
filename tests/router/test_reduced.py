"""A palette serves what is used most, and what a picture loses in few colours is what plans with few lose."""

import numpy as np
import pytest

from router._reduced import palettes, reduced
from router.pixels import Pixels
from tests.router.drawings import disc, plain, square

BLACK, RED, WHITE = (4, 4, 4), (252, 4, 4), (252, 252, 252)


def words(*spans: tuple[tuple[int, int, int], int]) -> np.ndarray:
    """Return opaque pixels as words: each colour so many times."""
    rows = np.concatenate([np.tile(np.array([*color, 255], np.uint8), (count, 1)) for color, count in spans])
    return np.ascontiguousarray(rows).view(np.uint32).ravel()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_palette_begins_with_what_is_used_most_and_keeps_to_its_size(count: int) -> None:
    (palette,) = palettes(words((WHITE, 60), (RED, 30), (BLACK, 20)), [count])
    assert palette.shape == (count, 3)
    found = {tuple(map(round, color)) for color in palette.tolist()}
    assert found == {WHITE, RED, BLACK} if count >= 3 else len(found) == count


def test_a_palette_settles_in_the_middle_of_what_it_serves() -> None:
    (palette,) = palettes(words(((100, 100, 100), 30), ((116, 100, 100), 10), (WHITE, 50)), [2])
    assert sorted(palette[:, 0].tolist()) == pytest.approx([104, 252])  # the middles of cells are 100, 116 and 252


def test_palettes_of_several_sizes_are_those_of_each() -> None:
    picture = words((WHITE, 60), (RED, 30), (BLACK, 20), ((60, 90, 200), 10))
    assert [p.tolist() for p in palettes(picture, (2, 4))] == [palettes(picture, [n])[0].tolist() for n in (2, 4)]


def test_where_nothing_is_visible_the_palette_is_black() -> None:
    assert np.unique(palettes(words((RED, 0)), [3])[0]).tolist() == [4]


def over_white(picture: Pixels) -> Pixels:
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = (picture[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return np.dstack([mixed, picture[..., 3]])


@pytest.mark.parametrize("picture", [square(), plain(), disc(alpha=True)], ids=["square", "plain", "hole"])
def test_a_picture_of_few_colours_hardly_changes(picture: Pixels) -> None:
    shown = over_white(np.ascontiguousarray(picture))
    (plane,) = reduced(picture, shown, [4], 255)
    grey = shown[..., :3] @ np.array([0.299, 0.587, 0.114])
    assert plane.shape == picture.shape[:2]
    assert np.median(np.abs(plane - grey)) <= 4  # half a cell
    assert np.abs(plane - grey).mean() < 8


def test_what_a_binary_matte_hides_is_ground() -> None:
    faint = plain(alpha=100)
    assert (reduced(faint, over_white(faint), [4], 255)[0] == 255).all()
