"""Alpha is cut, or told apart in levels that settle where soft pixels lie."""

import cv2
import numpy as np
import pytest

from converter._alpha import Level, cut_alpha, levels
from router import Plan
from router.pixels import Pixels
from tests.converter.pictures import shadowed, wordmark
from tests.router.drawings import plain

UPSCALES = (1, 2, 3, 4, 6, 8)


@pytest.mark.parametrize(("threshold", "visible"), [(127, True), (128, True), (129, False)])
def test_alpha_is_cut_at_the_threshold(threshold: int, *, visible: bool) -> None:
    found = cut_alpha(plain(alpha=128), threshold)
    assert np.array_equal(found[0, 0], (200, 30, 30, 255) if visible else (0, 0, 0, 0))


def test_cutting_leaves_an_opaque_picture_and_its_argument_alone() -> None:
    opaque, soft = plain(), plain(alpha=10)
    assert cut_alpha(opaque, 128) is opaque
    cut_alpha(soft, 128)
    assert (soft[..., 3] == 10).all()


def of_alpha(alpha: np.ndarray) -> Pixels:
    picture = np.zeros((*alpha.shape, 4), np.uint8)
    picture[..., 3] = alpha
    return picture


def glass(*alphas: int) -> Pixels:
    """Return a row of flat, translucent squares."""
    return of_alpha(np.repeat(np.repeat([alphas], 20, axis=0), 20, axis=1).astype(np.uint8))


def drawn(alpha: np.ndarray, found: list[Level]) -> np.ndarray:
    """Return the alpha that layers of these levels are seen with, 0..255."""
    opacities = np.array([0.0, *(level.opacity for level in found)])
    return 255 * opacities[np.searchsorted([level.threshold for level in found], alpha, side="right")]


@pytest.mark.parametrize("upscale", UPSCALES)
@pytest.mark.parametrize("alpha", [0, 255])
def test_hard_alpha_has_one_level(alpha: int, upscale: int) -> None:
    assert levels(plain(alpha=alpha), Plan(upscale=upscale)) == [Level(128, 1.0)]


@pytest.mark.parametrize("upscale", UPSCALES)
@pytest.mark.parametrize("alphas", [(60,), (40, 150), (90, 130), (250,)], ids=str)
def test_flat_glass_is_drawn_with_its_own_alpha(alphas: tuple[int, ...], upscale: int) -> None:
    pixels = glass(*alphas)
    found = levels(pixels, Plan(upscale=upscale))
    assert np.abs(drawn(pixels[..., 3], found) - pixels[..., 3]).max() < 1
    assert len(found) == len(alphas) + 1


@pytest.mark.parametrize("upscale", UPSCALES)
def test_haze_that_nobody_sees_takes_no_layer(upscale: int) -> None:
    assert levels(glass(3, 7), Plan(upscale=upscale)) == [Level(128, 1.0)]


def test_edges_alone_need_two_soft_levels_enlarged_and_one_at_native_size() -> None:
    assert [len(levels(wordmark(), Plan(upscale=upscale))) - 1 for upscale in UPSCALES] == [1, 2, 2, 2, 2, 2]


def test_shadows_get_more_levels_the_more_a_plan_enlarges() -> None:
    shadow = shadowed()
    found = [levels(shadow, Plan(upscale=upscale)) for upscale in UPSCALES[1:]]
    assert [len(one) - 1 for one in found] == [3, 4, 6, 8, 8]
    off = [np.abs(drawn(shadow[..., 3], one) - shadow[..., 3]).mean() for one in found]
    assert off == sorted(off, reverse=True)


@pytest.mark.parametrize(("palette", "soft"), [(0, 4), (4, 2), (8, 2), (9, 4), (64, 4)])
def test_lean_plans_draw_shadows_in_two(palette: int, soft: int) -> None:
    assert len(levels(shadowed(), Plan(palette=palette))) - 1 == soft


def test_lean_plans_draw_a_small_shadow_in_one() -> None:
    shadow = np.pad(shadowed(), ((0, 200), (0, 200), (0, 0)))
    assert [len(levels(shadow, Plan(palette=palette))) - 1 for palette in (4, 0)] == [1, 3]


def test_levels_lie_where_a_shadow_has_its_alpha() -> None:
    shadow = shadowed()
    found = levels(shadow, Plan(upscale=3))
    assert len(found) == 5
    even = [Level(low, own) for low, own in ((26, 0.2), (77, 0.4), (128, 0.6), (179, 0.8), (230, 1.0))]
    off, of_even = (np.abs(drawn(shadow[..., 3], one) - shadow[..., 3]).mean() for one in (found, even))
    assert off < 0.8 * of_even


@pytest.mark.parametrize("seed", range(20))
def test_levels_rise_to_full_opacity(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha = rng.integers(0, 256, (rng.integers(1, 60), rng.integers(1, 60)), np.uint8)
    plan = Plan(upscale=UPSCALES[seed % len(UPSCALES)], palette=seed // 6 % 2 * 8)
    found = levels(of_alpha(cv2.GaussianBlur(alpha, (0, 0), 2) if seed % 4 > 1 else alpha), plan)
    thresholds, opacities = zip(*found, strict=True)
    assert thresholds[0] >= 1
    assert thresholds[-1] <= 255
    assert opacities[-1] == 1.0
    assert list(thresholds) == sorted(set(thresholds))
    assert list(opacities) == sorted(set(opacities))
