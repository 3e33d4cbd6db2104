"""Shapes lose what VTracer's lose: threads, and what lies beneath two that meet within a pixel is seen."""

import numpy as np
import pytest
from numpy.typing import NDArray

from router._shapes import Shapes

Grey = NDArray[np.uint8]

# Entries by colour; the ground, beneath all, comes after the last.
WHITE, DARK, RED, PALE = range(4)
PALETTE = np.array([[255, 255, 255], [40, 40, 40], [200, 40, 40], [240, 240, 240]], dtype=np.float32)
LEVELS = np.array([255, 40, 90, 240, 0], dtype=np.uint8)
GROUND = len(PALETTE)


def field(entry: int, height: int = 40, width: int = 40) -> Grey:
    return np.full((height, width), entry, dtype=np.uint8)


def shapes(entries: Grey) -> Shapes:
    return Shapes(entries, PALETTE, LEVELS)


@pytest.mark.parametrize(("wide", "left"), [(1, 0), (2, 0), (3, 3), (4, 4)])
@pytest.mark.parametrize("turned", [False, True], ids=["upright", "level"])
def test_threads_go(wide: int, left: int, turned: bool) -> None:
    entries = field(WHITE)
    entries[5:35, 10 : 10 + wide] = DARK
    found = shapes(np.ascontiguousarray(entries.T) if turned else entries).without_threads()
    assert (found == DARK).any(axis=1 if not turned else 0).sum() == (30 if left else 0)
    assert (found == DARK).sum() == 30 * left


def test_a_thread_goes_into_the_nearest_colour_that_its_own_meets() -> None:
    entries = field(PALE)
    entries[:, :15] = DARK
    entries[:, 15:17] = RED  # nearer to dark than to pale
    found = shapes(entries).without_threads()
    assert (found[:, :17] == DARK).all()
    assert (found[:, 17:] == PALE).all()


def test_what_is_thick_somewhere_keeps_that_alone() -> None:
    entries = field(WHITE)
    entries[10:20, 10:20] = DARK
    entries[14:16, 20:38] = DARK
    found = shapes(entries).without_threads()
    assert (found[10:20, 10:20] == DARK).all()
    assert (found[:, 23:] == WHITE).all()


def test_corners_of_what_is_thick_stay() -> None:
    entries = field(WHITE)
    entries[10:15, 10:15] = DARK
    assert np.array_equal(shapes(entries).without_threads(), entries)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(field(DARK), id="one colour"),
        pytest.param(field(DARK, 4, 2), id="nothing but a thread"),
        pytest.param(field(GROUND), id="nothing but ground"),
    ],
)
def test_where_there_is_nothing_to_give_threads_to_all_stays(entries: Grey) -> None:
    assert np.array_equal(shapes(entries).without_threads(), entries)


def test_ground_is_no_thread_and_takes_none() -> None:
    entries = field(WHITE)
    entries[:, 10:11] = GROUND
    entries[10:12, 20:30] = GROUND
    assert np.array_equal(shapes(entries).without_threads(), entries)
    lonely = field(GROUND)
    lonely[:, 10:12] = DARK
    lonely[:, 20:30] = WHITE
    assert np.array_equal(shapes(lonely).without_threads(), lonely)


@pytest.mark.parametrize("times", [2, 4])
def test_where_pixels_lie_in_one_shape_each_nothing_is_lost(times: int) -> None:
    small = np.random.default_rng(1).integers(0, GROUND + 1, (12, 9)).astype(np.uint8)
    entries = small.repeat(times, axis=0).repeat(times, axis=1)
    assert np.array_equal(shapes(entries).drawn(entries, times), LEVELS[small])


def test_a_shape_on_another_is_drawn_over_it() -> None:
    entries = field(WHITE)
    entries[10:20, 11:20] = DARK  # begins in the midst of a pixel
    assert shapes(entries).drawn(entries, 2)[7, 5] == round((40 + 255) / 2)


@pytest.mark.parametrize("times", [2, 4])
def test_where_two_shapes_meet_on_a_third_it_is_seen_between_them(times: int) -> None:
    """Both go into the dark shape around them, so each covers its half of the pixel alone."""
    entries = field(DARK, 20 * times, 20 * times)
    middle = 10 * times + times // 2
    entries[5 * times : 9 * times, 5 * times : middle] = WHITE
    entries[5 * times : 9 * times, middle : 13 * times] = RED
    apart = np.array([[250, 250, 250], [40, 40, 40], [60, 20, 20]], dtype=np.float32)
    levels = np.array([250, 40, 30, 0], dtype=np.uint8)
    found = Shapes(entries, apart, levels).drawn(entries, times)
    # The smaller one, red, is drawn last: dark, half of white, half of red.
    assert found[6, 10] == pytest.approx(((40 + 250) / 2 + 30) / 2, abs=1)
    assert (found[6, 9], found[6, 11]) == (250, 30)


def test_where_one_of_two_goes_into_the_other_nothing_is_seen_between_them() -> None:
    entries = field(DARK)
    entries[10:30, 10:21] = WHITE
    entries[10:30, 21:26] = PALE  # nearer to white than to what is around both
    assert shapes(entries).drawn(entries, 2)[10, 10] == pytest.approx((255 + 240) / 2, abs=1)


def test_ground_shows_where_nothing_covers_a_pixel() -> None:
    entries = field(GROUND)
    entries[:, 11:30] = WHITE
    assert shapes(entries).drawn(entries, 2)[3, 5] == pytest.approx(255 / 2, abs=1)


def test_without_a_palette_all_is_ground() -> None:
    entries = field(0)
    nothing = Shapes(entries, np.zeros((0, 3), np.float32), np.array([255], np.uint8))
    assert np.array_equal(nothing.without_threads(), entries)
    assert (nothing.drawn(entries, 2) == 255).all()
