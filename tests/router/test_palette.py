"""A palette serves what is used most, in colours that the picture really has."""

import numpy as np
import pytest

from router.pixels import Pixels, as_words, cells, cells_of, nearest, palettes
from tests.router.drawings import disc, noise, plain

BLACK, RED, WHITE, BLUE = (0, 0, 0), (255, 0, 3), (255, 255, 255), (60, 90, 200)


def picture(*spans: tuple[tuple[int, int, int], int], alpha: int = 255) -> Pixels:
    """Return a picture of one row: each colour so many times."""
    rows = [np.tile(np.array([*color, alpha], np.uint8), (count, 1)) for color, count in spans]
    return np.concatenate(rows)[None]


def of(pixels: Pixels, count: int) -> set[tuple[int, ...]]:
    (palette,) = palettes(pixels, [count])
    assert len(palette) <= count
    return {tuple(map(round, color)) for color in palette.tolist()}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(1, {WHITE}, id="what is used most"),
        pytest.param(2, {WHITE, BLACK}, id="and what that serves worst"),
        pytest.param(3, {WHITE, RED, BLACK}, id="all of them, exactly"),
        pytest.param(5, {WHITE, RED, BLACK}, id="no more than there are"),
    ],
)
def test_a_palette_begins_with_what_is_used_most_and_keeps_to_its_size(
    count: int, expected: set[tuple[int, int, int]]
) -> None:
    assert of(picture((WHITE, 130), (BLACK, 20), (RED, 16)), count) == expected


def test_a_palette_settles_in_the_middle_of_what_it_serves() -> None:
    assert of(picture(((100, 100, 100), 30), ((120, 100, 100), 30), (WHITE, 50)), 2) == {(110, 100, 100), WHITE}


def test_what_most_pixels_of_an_entry_have_stands_for_it() -> None:
    assert of(picture((BLACK, 60), ((40, 40, 40), 20), (WHITE, 50)), 2) == {BLACK, WHITE}


def test_palettes_of_several_sizes_are_those_of_each() -> None:
    several = picture((WHITE, 60), (RED, 30), (BLACK, 20), (BLUE, 10))
    assert [p.tolist() for p in palettes(several, (2, 4))] == [palettes(several, [n])[0].tolist() for n in (2, 4)]


@pytest.mark.parametrize("unseen", [plain(alpha=0), picture((RED, 30), alpha=127)], ids=["clear", "faint"])
def test_where_nothing_is_visible_there_is_no_palette(unseen: Pixels) -> None:
    assert palettes(unseen, [3])[0].shape == (0, 3)


def test_what_is_hidden_is_not_served() -> None:
    both = np.concatenate([picture((RED, 90), alpha=100), picture((BLACK, 10), (WHITE, 20))], axis=1)
    assert of(both, 3) == {BLACK, WHITE}


def test_of_a_large_picture_a_sample_is_looked_at_in_every_column() -> None:
    striped = np.tile(picture(*[(color, 1) for color in (WHITE, BLACK, RED, BLUE)] * 64), (256, 1, 1))
    assert of(striped, 4) == {WHITE, BLACK, RED, BLUE}


@pytest.mark.parametrize("pixels", [noise(40), disc(alpha=True)], ids=["noise", "disc"])
def test_the_mean_of_a_cell_is_that_of_its_pixels(pixels: Pixels) -> None:
    words = as_words(pixels).ravel()
    found = cells(words)
    assert found.sizes.sum() == words.size
    for index, mean in zip(found.numbers[::7], found.colors[::7], strict=True):
        assert mean == pytest.approx(pixels.reshape(-1, 4)[cells_of(words) == index, :3].mean(axis=0))


def test_the_nearest_colour_is_the_nearest() -> None:
    palette = np.array([BLACK, WHITE, RED], np.float32)
    assert nearest(np.array([(90, 90, 90), (200, 200, 200), (200, 30, 30)], np.float32), palette).tolist() == [0, 1, 2]
