"""Windows are SSIM's, lie whole within their tiles, and tiles are spread over the whole image."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from converter import ssim
from router._windows import TILE, TILES, WINDOW, _Compared, _cut, _hardened, _Inside, _poster, shown_on, windows
from router.pixels import Pixels, luminance_on
from tests.router.drawings import checks, disc, letters, noise, ramp, square

Grey = NDArray[np.uint8]
LONG = 10 * TILE  # px; its tiles lie at 0, 120, 240 and 360


def grey(picture: Pixels) -> Grey:
    return luminance_on(picture, 255)


PLANES = [
    pytest.param(grey(disc(soft=2)), id="a soft disc"),
    pytest.param(grey(noise(60)), id="noise"),
    pytest.param(grey(letters(4))[:100, :90], id="letters"),
    pytest.param(grey(ramp())[:7, :90], id="one row of windows"),
    pytest.param(grey(checks(4)), id="checks"),
]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("change", [_hardened, _poster, _cut, np.flipud], ids=lambda one: one.__name__)
def test_similarity_is_ssim_over_all_whole_windows(plane: Grey, change: object) -> None:
    """With the plain variance of each window; quality takes the sample's, 49 / 48 of it: a small difference."""
    other = change(plane)  # type: ignore[operator]
    found = _Compared(plane, _Inside(plane.shape, 1, 1)).similarity(other)
    exact = structural_similarity(plane, other, data_range=255, use_sample_covariance=False)
    assert found == pytest.approx(max(exact, 0), abs=1e-4)
    assert found == pytest.approx(ssim(plane, other), abs=5e-3)


def test_variances_are_those_of_each_window() -> None:
    plane = grey(noise(60))
    inside = _Inside(plane.shape, 1, 1)
    views = np.lib.stride_tricks.sliding_window_view(plane.astype(np.float64), (WINDOW, WINDOW))
    by_hand = views.var(axis=(2, 3))
    found = inside(_Compared(plane, inside).variance)
    assert found.reshape(by_hand.shape) == pytest.approx(by_hand, abs=0.05)


def tiled(across: list[int], down: list[int]) -> Pixels:
    """Return a large picture that is flat within each tile; its fields meet between them."""
    picture = np.full((LONG, LONG, 4), 255, dtype=np.uint8)
    fields = np.add.outer(np.repeat(down, LONG // TILES), np.repeat(across, LONG // TILES))
    picture[..., :3] = fields[..., None]
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(tiled([16, 208, 48, 240], [0] * TILES), id="columns"),
        pytest.param(tiled([0] * TILES, [240, 16, 208, 48]), id="rows"),
        pytest.param(tiled([16, 80, 16, 112], [0, 128, 32, 96]), id="fields"),
    ],
)
def test_where_tiles_meet_there_is_no_edge(picture: Pixels) -> None:
    found = windows(picture, 255)
    assert (found.smoothness, found.poster) == pytest.approx((1, 1), abs=1e-6)
    assert (found.faint_texture, found.middle_texture) == (0, 0)
    # Filters of 3 x 3 see three other tiles at a tile's corners: in four of its 34 x 34 windows.
    assert (found.hard_edges, found.despeckled) == pytest.approx((1, 1), abs=4 / 34**2)


@pytest.mark.parametrize("turned", [False, True], ids=["columns", "rows"])
def test_only_tiles_are_looked_at_and_they_reach_both_ends(turned: bool) -> None:
    def smoothness(start: int) -> float:
        picture = np.full((LONG, LONG, 4), 255, dtype=np.uint8)
        picture[:, start : start + 2, :3] = 0
        return windows(np.ascontiguousarray(picture.swapaxes(0, 1)) if turned else picture, 255).smoothness

    assert smoothness(70) == smoothness(100) == 1
    assert smoothness(20) == smoothness(LONG - 20) == smoothness(140) < 1


def test_short_sides_are_looked_at_whole() -> None:
    picture = np.full((TILE * TILES, TILE * TILES, 4), 255, dtype=np.uint8)
    picture[79:81, 50, :3] = 0
    assert windows(picture, 255).despeckled < 1


def test_transparency_is_that_of_the_ground_it_shows() -> None:
    plane, alpha = np.array([[0, 100, 200]], np.uint8), np.array([[255, 128, 0]], np.uint8)
    assert shown_on(0, plane, alpha).tolist() == [[0, 50, 0]]
    assert shown_on(255, plane, alpha).tolist() == [[0, 177, 255]]


def test_hardened_edges_have_no_step_between_their_extremes() -> None:
    plane = np.repeat(np.array([[10, 10, 90, 170, 250, 250]], np.uint8), 7, axis=0)
    assert _hardened(plane)[3].tolist() == [10, 10, 170, 250, 250, 250]
    aliased = grey(square())
    assert np.array_equal(_hardened(aliased), aliased)


def test_eight_levels_and_alpha_cut_at_one_half() -> None:
    every = np.arange(256, dtype=np.uint8)[None]
    assert np.unique(_poster(every)).tolist() == list(range(16, 256, 32))
    assert _cut(every)[0, [0, 127, 128, 255]].tolist() == [0, 0, 255, 255]
