"""Quality, against scikit-image called by hand and against what must cost."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from converter import quality, render, run_plan, similarity, ssim
from converter.errors import ConversionFailed
from router import Plan
from router.pixels import Pixels
from tests.converter.pictures import checked, clear, shadowed, wordmark
from tests.router.drawings import disc, plain

RED = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="10" height="10" fill="#f00"/></svg>'


def test_an_svg_is_drawn_at_its_own_size_or_at_a_width() -> None:
    drawn = render(RED)
    assert drawn.shape == (10, 20, 4)
    assert drawn[5, 2].tolist() == [255, 0, 0, 255]
    assert drawn[5, 15, 3] == 0
    assert render(RED, width=40).shape == (20, 40, 4)


@pytest.mark.parametrize("text", ["", "no xml", "<svg"], ids=["empty", "words", "cut off"])
def test_what_does_not_render_is_a_failed_conversion(text: str) -> None:
    with pytest.raises(ConversionFailed, match="does not render"):
        render(text)


@pytest.mark.parametrize(
    "pixels",
    [checked(40, 60), wordmark(), shadowed(), clear(), checked(1, 1), checked(3, 90)],
    ids=["opaque", "wordmark", "shadow", "nothing", "one pixel", "narrow"],
)
def test_an_identical_picture_has_quality_1(pixels: Pixels) -> None:
    assert similarity(pixels, pixels) == pytest.approx(1)


def test_opaque_quality_is_what_scikit_image_says() -> None:
    pixels = disc(soft=4)
    svg = run_plan(pixels, Plan(color_precision=3)).svg
    drawn = render(svg)
    assert (drawn[..., 3] == 255).all()
    one, other = (cv2.cvtColor(p, cv2.COLOR_RGBA2GRAY) for p in (drawn, pixels))
    by_hand = structural_similarity(one, other, data_range=255)
    assert by_hand < 0.999
    assert quality(svg, pixels) == pytest.approx(by_hand, abs=1e-12)


def test_soft_quality_is_the_mean_of_luminance_and_alpha() -> None:
    """The letters are dark, so the image shows on white."""
    pixels = wordmark()
    svg = run_plan(pixels, Plan()).svg

    def on_white(picture: Pixels) -> Pixels:
        share = picture[..., 3:] / 255
        rgb = np.floor(picture[..., :3] * share + 255 * (1 - share) + 0.5).astype(np.uint8)
        return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))

    drawn = render(svg)
    luminance = structural_similarity(on_white(drawn), on_white(pixels), data_range=255)
    alpha = structural_similarity(
        np.ascontiguousarray(drawn[..., 3]), np.ascontiguousarray(pixels[..., 3]), data_range=255
    )
    assert quality(svg, pixels) == pytest.approx((luminance + alpha) / 2, abs=1e-3)


def test_lost_transparency_costs() -> None:
    """White where nothing was looks the same on white, and is not the same."""
    pixels = disc(alpha=True)
    filled = pixels.copy()
    filled[pixels[..., 3] == 0] = 255
    assert similarity(filled, pixels) < 0.9 < similarity(pixels, pixels)


def test_holes_in_an_opaque_picture_cost() -> None:
    pixels = plain((20, 20, 20))
    holed = pixels.copy()
    holed[20:60, 20:60] = 0
    assert similarity(holed, pixels) < 0.9


def test_planes_below_the_window_are_padded_by_their_edge() -> None:
    narrow = np.arange(60, dtype=np.uint8).reshape(20, 3) * 4
    other = narrow[::-1].copy()
    padded = [np.pad(a, ((0, 0), (0, 4)), mode="edge") for a in (narrow, other)]
    assert ssim(narrow, other) == pytest.approx(max(0.0, structural_similarity(*padded, data_range=255)))
    assert ssim(narrow, narrow) == 1


def test_quality_is_never_below_0() -> None:
    stripes = np.indices((20, 20))[1] % 2 * 255
    assert ssim(stripes.astype(np.uint8), (255 - stripes).astype(np.uint8)) == 0


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(7, 300),
    width=st.integers(7, 300),
    amount=st.floats(0, 255),
    seed=st.integers(0, 2**32 - 1),
    flat=st.booleans(),
)
def test_it_is_scikit_images_whatever_the_planes(height: int, width: int, amount: float, seed: int, flat: bool) -> None:
    rng = np.random.default_rng(seed)
    plane = np.full((height, width), rng.integers(256)) if flat else rng.integers(0, 256, (height, width))
    other = np.clip(plane + rng.normal(0, amount, plane.shape), 0, 255).astype(np.uint8)
    wanted = structural_similarity(plane.astype(np.uint8), other, data_range=255)
    assert ssim(plane.astype(np.uint8), other) == pytest.approx(max(0.0, wanted), abs=1e-12)


def test_the_farthest_planes_keep_their_sums_whole() -> None:
    """The largest sums of products still fit their integers."""
    white, black = np.full((7, 20_000), 255, np.uint8), np.zeros((7, 20_000), np.uint8)
    assert ssim(white, white) == 1
    assert ssim(white, black) == pytest.approx(structural_similarity(white, black, data_range=255), abs=1e-12)


def test_a_channel_of_a_picture_needs_no_copy() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (40, 50, 4)).astype(np.uint8)
    assert ssim(picture[..., 0], picture[..., 3]) == ssim(picture[..., 0].copy(), picture[..., 3].copy())
