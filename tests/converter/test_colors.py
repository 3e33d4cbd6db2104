"""Fills near a flat colour become that colour; what no colour dominates has no flat ones."""

import re

import numpy as np
import pytest

from converter import run_plan
from converter._colors import LEAST_SHARE, NO_COLORS, SAMPLE, exact, flat_colors
from router import Plan
from router.pixels import NEAR
from tests.converter.pictures import checked, clear, wordmark
from tests.router.drawings import plain, ramp

FLAT = np.array([[0, 0, 0], [200, 30, 30]], dtype=np.int16)


def test_the_flat_colours_of_a_picture() -> None:
    assert sorted(map(tuple, flat_colors(checked(40, 60)).tolist())) == [(20, 60, 120), (250, 250, 250)]


def test_colours_under_transparency_do_not_count() -> None:
    assert flat_colors(clear()).shape == (0, 3)
    assert flat_colors(wordmark()).tolist() == [[30, 40, 90]]


@pytest.mark.parametrize(
    "pixels", [pytest.param(ramp(), id="ramp"), pytest.param(np.empty((0, 0, 4), np.uint8), id="nothing")]
)
def test_a_shading_has_no_flat_colours(pixels: np.ndarray) -> None:
    assert not len(flat_colors(pixels))


def test_a_large_picture_is_sampled_and_a_rare_colour_left_out() -> None:
    picture = plain(side=400)
    assert picture[..., 0].size > SAMPLE
    rare = round(400 * LEAST_SHARE * 0.5)
    picture[:rare, :, :3] = 7
    assert flat_colors(picture).tolist() == [[200, 30, 30]]
    picture[: 4 * rare, :, :3] = 7
    assert sorted(flat_colors(picture).tolist()) == [[7, 7, 7], [200, 30, 30]]


@pytest.mark.parametrize(("ground", "flat"), [(0, False), (120, True)], ids=["cut at black", "around grey"])
def test_a_noisy_ground_is_flat_only_where_its_usual_colour_is_its_mean(ground: int, *, flat: bool) -> None:
    noisy = plain((ground,) * 3).astype(np.int16)
    noisy[..., :3] += np.random.default_rng(1).normal(0, 4, noisy.shape[:2]).round().astype(np.int16)[..., None]
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    assert ([ground] * 3 in flat_colors(pixels).tolist()) == flat


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        pytest.param("#020304", "#000000", id="near black"),
        pytest.param(f"#{NEAR:02X}0000", "#000000", id="as near as may be"),
        pytest.param(f"#{NEAR + 1:02X}0000", f"#{NEAR + 1:02X}0000", id="too far in one channel"),
        pytest.param("#C61E1E", "#C81E1E", id="near the other"),
        pytest.param("#FFFFFF", "#FFFFFF", id="near none"),
    ],
)
def test_a_fill_near_a_flat_colour_becomes_it(fill: str, expected: str) -> None:
    assert exact([fill], FLAT) == [expected]


def test_without_flat_colours_or_fills_nothing_changes() -> None:
    assert exact(["#010203"], NO_COLORS) == ["#010203"]
    assert exact([], FLAT) == []


def test_a_brands_colour_comes_out_as_that_colour() -> None:
    svg = run_plan(wordmark(), Plan(mode="smooth", upscale=3)).svg
    assert set(re.findall('fill="([^"]*)"', svg)) == {"#1E285A"}


def test_a_black_ground_stays_black() -> None:
    picture = plain((0, 0, 0))
    for corner in range(4, 90, 6):  # speckles, whose colour goes into their ground's
        picture[corner : corner + 2, 4:90, :3] = np.where(np.arange(86) % 6 < 2, 30, 0)[:, None]
    smooth, pixelled = (run_plan(picture, Plan(mode=mode)).svg for mode in ("smooth", "none"))
    assert 'fill="#000"' in smooth
    assert 'fill="#000"' not in pixelled
