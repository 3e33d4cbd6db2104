"""What is done to pixels before they are traced."""

import numpy as np
import pytest

from converter._preprocess import MOST_TRACED_PIXELS, prepare
from converter.errors import ResultTooLarge
from router import Plan
from tests.converter.pictures import checked, clear, shadowed, wordmark
from tests.router.drawings import noise, plain


def test_a_plain_plan_leaves_pixels_as_they_are() -> None:
    pixels = wordmark()
    assert np.array_equal(prepare(pixels, Plan()), pixels)


@pytest.mark.parametrize("times", [2, 3, 8])
def test_upscale_enlarges_each_side(times: int) -> None:
    assert prepare(checked(10, 20), Plan(upscale=times)).shape == (10 * times, 20 * times, 4)


def test_what_would_be_too_large_is_refused_before_any_work() -> None:
    # A view of one pixel: as large as the limit needs, without its memory.
    huge = np.broadcast_to(np.full((1, 1, 4), 255, np.uint8), (2049, 2048, 4))
    assert huge.shape[0] * huge.shape[1] * 64 > MOST_TRACED_PIXELS
    with pytest.raises(ResultTooLarge, match="lower its upscale"):
        prepare(huge, Plan(upscale=8))


@pytest.mark.parametrize(("width", "times"), [(65_535, 1), (21_845, 3)])
def test_a_side_that_the_tracer_refuses_is_refused_before_any_work(width: int, times: int) -> None:
    line = np.full((2, width, 4), 255, np.uint8)
    with pytest.raises(ResultTooLarge, match="pixels a side"):
        prepare(line, Plan(upscale=times))


def test_colours_under_transparency_never_bleed_in() -> None:
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[..., :3] = (0, 255, 0)
    picture[5:15, 5:15] = (200, 0, 0, 255)
    big = prepare(picture, Plan(upscale=3))
    assert big[big[..., 3] > 0][:, 1].max() <= 2


def test_enlarging_keeps_an_opaque_picture_opaque() -> None:
    assert (prepare(checked(12, 12), Plan(upscale=2))[..., 3] == 255).all()


@pytest.mark.parametrize("colors", [1, 3, 8])
def test_palette_bounds_the_number_of_colours(colors: int) -> None:
    pixels = prepare(wordmark(), Plan(upscale=2, palette=colors))
    visible = pixels[pixels[..., 3] >= 128][:, :3]
    assert len(np.unique(visible, axis=0)) <= colors


def test_palette_keeps_flat_colours_nearly_and_alpha_exactly() -> None:
    picture = shadowed()
    found = prepare(picture, Plan(palette=4))
    assert np.array_equal(found[..., 3], picture[..., 3])
    assert np.abs(found[40, 40].astype(int) - picture[40, 40]).max() <= 8


def test_palette_of_an_invisible_picture_changes_nothing() -> None:
    assert np.array_equal(prepare(clear(), Plan(palette=8)), clear())


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_denoising_calms_noise_and_keeps_alpha(strength: int) -> None:
    picture = noise(8)
    picture[:10, :, 3] = 90
    found = prepare(picture, Plan(denoise=strength))
    assert found[20:, :, :3].std() < 0.8 * picture[20:, :, :3].std()
    assert np.array_equal(found[..., 3], picture[..., 3])


def test_denoising_keeps_edges() -> None:
    picture = checked(40, 40)
    assert np.array_equal(prepare(picture, Plan(denoise=3)), picture)


def test_a_shadow_keeps_its_colour_where_bands_draw_it() -> None:
    """It is less than half there in every pixel, and a palette of what is visible has nothing near it."""
    picture = shadowed()
    seen = (picture[..., 3] >= 26) & (picture[..., 3] < 128)
    assert (picture[seen, :3] == 0).all()
    cut, banded = (prepare(picture, Plan(palette=1, matte=m)) for m in ("binary", "bands"))
    assert {tuple(color) for color in cut[seen, :3].tolist()} == {(210, 40, 30)}
    assert {tuple(color) for color in banded[seen, :3].tolist()} == {(0, 0, 0)}
    assert {tuple(color) for color in banded[picture[..., 3] == 255, :3].tolist()} == {(210, 40, 30)}


@pytest.mark.parametrize(("faint", "colors"), [((200, 80, 70), 1), ((200, 110, 70), 2)])
def test_faint_pixels_get_a_colour_of_their_own_only_if_it_is_seen_to_be_another(
    faint: tuple[int, int, int], colors: int
) -> None:
    picture = plain((200, 40, 30), side=20)
    picture[5:15, 5:15] = (*faint, 100)
    found = prepare(picture, Plan(palette=1, matte="bands"))
    assert len(np.unique(found[..., :3].reshape(-1, 3), axis=0)) == colors


def test_what_is_faint_all_over_is_reduced_to_a_palette_too() -> None:
    picture = plain((200, 40, 30), alpha=90, side=20)
    picture[:, 10:, :3] = (20, 60, 180)
    picture[:, 10, :3] = (110, 50, 100)
    found = prepare(picture, Plan(palette=2, matte="bands"))
    assert len(np.unique(found[..., :3].reshape(-1, 3), axis=0)) == 2
    assert (found[..., 3] == 90).all()


@pytest.mark.parametrize("lines", [0, 25, 35])
def test_a_black_ground_with_dark_lines_on_it_stays_black(lines: int) -> None:
    """Their mean is not black, and quality hangs on that."""
    picture = np.zeros((90, 90, 4), np.uint8)
    picture[..., 3] = 255
    picture[2 : 2 + lines, 10:80, :3] = 45
    picture[60:80, 20:70, :3] = (250, 170, 30)
    found = prepare(picture, Plan(palette=2))
    assert {tuple(color) for color in found[..., :3].reshape(-1, 3).tolist()} == {(0, 0, 0), (250, 170, 30)}


def test_a_sample_of_a_large_picture_meets_every_column() -> None:
    picture = np.full((512, 512, 4), 255, np.uint8)
    picture[:, 0::2, :3], picture[:, 1::2, :3] = (200, 0, 0), (0, 0, 200)
    assert (prepare(picture, Plan(palette=2)) == picture).all()
