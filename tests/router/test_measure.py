"""Each feature moves the right way when the picture does, and stays in its range for any picture."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from router import FEATURE_NAMES
from router.pixels import Pixels, backdrop, composite, decode, is_opaque, luminance_on, measure
from tests.router.drawings import (
    SIDE,
    blocky,
    checks,
    disc,
    encoded,
    letters,
    noise,
    plain,
    ramp,
    square,
)


def feature(name: str, picture: Pixels) -> float:
    value = getattr(measure(picture, 1000), name)
    assert isinstance(value, float)
    return value


def translucent(share: float) -> Pixels:
    """Return a picture whose left part lets the ground through."""
    picture = plain()
    picture[:, : int(SIDE * share), 3] = 0
    return picture


def slope(rise: int) -> Pixels:
    """Return a grey shading that grows by `rise` a pixel from left to right."""
    picture = plain(side=80)
    picture[..., :3] = (np.arange(80) * rise)[None, :, None]
    return picture


# Feature, a picture with less of it, a picture with more.
MORE = [
    pytest.param("complexity_score", square(), noise(120), id="complexity_score"),
    pytest.param("unique_colors", ramp(4), ramp(200), id="unique_colors"),
    pytest.param("edge_density", checks(24), checks(4), id="edge_density"),
    pytest.param("edge_density", plain(alpha=128), translucent(0.5), id="edge_density of alpha alone"),
    pytest.param("aspect_ratio", plain()[:, :40], plain()[:40], id="aspect_ratio"),
    pytest.param("image_area", plain()[:40], plain(), id="image_area"),
    pytest.param("color_variance", plain(), checks(8), id="color_variance"),
    pytest.param("gradient_strength", plain(), ramp(), id="gradient_strength"),
    pytest.param("text_probability", letters(8, scattered=True), letters(8), id="text_probability"),
    pytest.param("text_probability", square(), letters(2), id="text_probability of two letters"),
    pytest.param("text_probability", letters(2), letters(8), id="text_probability of a word"),
    pytest.param("geometric_score", square(20), square(45), id="geometric_score of a turned square"),
    pytest.param("geometric_score", disc(), square(), id="geometric_score of a disc"),
    pytest.param("entropy", square(), noise(100), id="entropy"),
    pytest.param("corner_density", plain(), square(), id="corner_density"),
    pytest.param("corner_density", square(), letters(8), id="corner_density of letters"),
    pytest.param("corner_density", disc(), square(), id="corner_density of a disc"),
    pytest.param("alpha_fraction", translucent(0.2), translucent(0.7), id="alpha_fraction"),
    pytest.param("soft_alpha_fraction", translucent(0.5), plain(alpha=100), id="soft_alpha_fraction"),
    pytest.param(
        "soft_alpha_fraction", disc(alpha=True), disc(soft=2, alpha=True), id="soft_alpha_fraction of a border"
    ),
    pytest.param("soft_alpha_interior", disc(soft=1, alpha=True), disc(soft=9, alpha=True), id="soft_alpha_interior"),
    pytest.param("palette_size", ramp(3), ramp(16), id="palette_size"),
    pytest.param("flat_fraction", noise(100), square(), id="flat_fraction"),
    pytest.param("edge_sharpness", disc(soft=2), disc(), id="edge_sharpness"),
    pytest.param("noise_level", noise(1), noise(6), id="noise_level"),
    pytest.param("blockiness", blocky(0), blocky(6), id="blockiness"),
    pytest.param("part_density", checks(24), checks(4), id="part_density"),
    pytest.param("short_side", plain()[:30], plain()[:60], id="short_side"),
    pytest.param("smoothness", noise(100), noise(6), id="smoothness"),
    pytest.param("faint_texture", plain(), slope(1), id="faint_texture"),
    pytest.param("middle_texture", slope(1), slope(3), id="middle_texture"),
    pytest.param("hard_edges", disc(soft=2), disc(), id="hard_edges"),
    pytest.param("hard_alpha", disc(soft=2, alpha=True), disc(alpha=True), id="hard_alpha"),
    pytest.param("poster", plain((2, 2, 2)), plain((14, 14, 14)), id="poster"),
    pytest.param("despeckled", noise(100), square(), id="despeckled"),
    pytest.param("in_four_colors", ramp(16), ramp(4), id="in_four_colors"),
    pytest.param("in_sixteen_colors", noise(100), square(), id="in_sixteen_colors"),
    pytest.param("corners_in_four", square(), square(20), id="corners_in_four"),
    pytest.param("corners_in_sixteen", square(), checks(8), id="corners_in_sixteen"),
    *(
        pytest.param(f"lost_in_{name}_{step}x", ramp(few), ramp(16), id=f"lost_in_{name}_{step}x")
        for name, few, steps in (("four", 4, (1, 4)), ("eight", 4, (1, 2, 4)))
        for step in steps
    ),
    *(pytest.param(f"lost_in_sixteen_{step}x", square(), noise(100), id=f"lost_in_sixteen_{step}x") for step in (1, 4)),
    *(
        pytest.param(f"lost_alpha_{step}x", disc(alpha=True), disc(soft=9, alpha=True), id=f"lost_alpha_{step}x")
        for step in (2, 4)
    ),
    *(
        pytest.param(f"lost_drawn_in_{name}_{step}x", square(), noise(100), id=f"lost_drawn_in_{name}_{step}x")
        for name in ("three", "four", "eight", "sixteen")
        for step in (2, 4)
    ),
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lost_in_four_1x", "lost_in_four_4x"),
        ("lost_in_eight_1x", "lost_in_eight_2x"),
        ("lost_in_eight_2x", "lost_in_eight_4x"),
        ("lost_in_sixteen_1x", "lost_in_sixteen_4x"),
        ("lost_alpha_2x", "lost_alpha_4x"),
        ("lost_drawn_in_eight_2x", "lost_drawn_in_eight_4x"),
        ("lost_drawn_in_sixteen_2x", "lost_drawn_in_sixteen_4x"),
    ],
)
def test_steps_differ_unless_the_image_is_larger_than_its_tiles(one: str, other: str) -> None:
    soft = disc(soft=3, alpha=True)
    small, large = np.ascontiguousarray(soft[8:-8, 8:-8]), np.tile(soft, (3, 3, 1))
    assert small.shape[0] * small.shape[1] == 6400
    assert feature(one, small) != feature(other, small)
    assert feature(one, large) == feature(other, large)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lost_in_eight_2x", "lost_drawn_in_eight_2x"),
        ("lost_drawn_in_three_2x", "lost_drawn_in_four_2x"),
        ("lost_drawn_in_three_4x", "lost_drawn_in_four_4x"),
    ],
)
def test_shapes_are_drawn_unless_the_image_is_larger_than_its_tiles(one: str, other: str) -> None:
    soft = disc(soft=3)
    assert feature(one, soft) != feature(other, soft)
    large = np.tile(soft, (3, 3, 1))
    assert feature(one, large) == feature(other, large)


def test_four_times_as_large_is_twice_where_that_would_be_too_large() -> None:
    picture = disc(soft=3, alpha=True)[7:-8, 8:-8]
    assert feature("lost_in_eight_4x", picture) == feature("lost_in_eight_2x", picture)
    assert feature("lost_in_four_4x", picture) != feature("lost_in_four_1x", picture)


@pytest.mark.parametrize(("name", "less", "more"), MORE)
def test_feature_moves_the_right_way(name: str, less: Pixels, more: Pixels) -> None:
    assert feature(name, less) < feature(name, more)


def test_every_feature_has_a_picture_that_moves_it() -> None:
    moved = {str(p.values[0]) for p in MORE}
    assert moved == set(FEATURE_NAMES) - {"file_size"}


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        pytest.param("unique_colors", plain(), 1, id="one colour"),
        pytest.param("unique_colors", checks(8), 2, id="two colours"),
        pytest.param("unique_colors", ramp(), 256, id="256 colours"),
        pytest.param("palette_size", checks(8), 2, id="a palette of two"),
        pytest.param("entropy", plain(), 0, id="nothing to tell"),
        pytest.param("entropy", ramp(), 8, id="all greys alike"),
        pytest.param("edge_density", plain(), 0, id="no edge"),
        pytest.param("geometric_score", plain(), 0, id="no edge, no direction"),
        pytest.param("edge_sharpness", plain(), 1, id="no edge is blurred"),
        pytest.param("edge_sharpness", square(), 1, id="aliased edges"),
        pytest.param("flat_fraction", plain(), 1, id="all flat"),
        pytest.param("alpha_fraction", translucent(0.25), 0.25, id="a quarter"),
        pytest.param("soft_alpha_fraction", translucent(0.5), 0, id="on or off is not soft"),
        pytest.param("soft_alpha_interior", plain(alpha=255), 0, id="opaque"),
        pytest.param("text_probability", letters(8), 1, id="a line of letters"),
        pytest.param("text_probability", letters(1), 0, id="one letter is no line"),
        pytest.param("corner_density", square(), 4 * 1000 / SIDE**2, id="four corners"),
        pytest.param("corner_density", square(20), 4 * 1000 / SIDE**2, id="aliased edges have no corners"),
        pytest.param("corner_density", disc(), 0, id="no corner"),
        pytest.param("color_variance", checks(SIDE), 0, id="one field"),
        pytest.param("aspect_ratio", plain()[:48], 2, id="twice as wide"),
        pytest.param("blockiness", plain(), 1, id="nothing to compare"),
        pytest.param("smoothness", plain(), 1, id="no detail to lose"),
        # Seven neighbours that differ by n have a variance of 4 n^2; SSIM's second constant is 58.5225.
        pytest.param("smoothness", slope(1), 58.5225 / (58.5225 + 4), id="a slope of 1"),
        pytest.param("smoothness", slope(3), 58.5225 / (58.5225 + 36), id="a slope of 3"),
        pytest.param("faint_texture", plain(), 0, id="flat is not faint"),
        pytest.param("faint_texture", slope(1), 1, id="faint all over"),
        pytest.param("faint_texture", ramp(), 1, id="faint in every tile"),
        pytest.param("middle_texture", slope(3), 1, id="middling all over"),
        pytest.param("faint_texture", slope(3), 0, id="middling is not faint"),
        pytest.param("hard_edges", plain(), 1, id="no edge is made harder"),
        pytest.param("hard_edges", square(), 1, id="an aliased edge is hard already"),
        pytest.param("hard_alpha", plain(alpha=255), 1, id="opaque alpha"),
        pytest.param("hard_alpha", disc(alpha=True), 1, id="aliased alpha"),
        pytest.param("hard_alpha", disc(soft=3), 1, id="soft and opaque"),
        # Black becomes the middle of its level, 16; SSIM's first constant is 6.5025.
        pytest.param("poster", plain((0, 0, 0)), 6.5025 / (16**2 + 6.5025), id="black is no level"),
        pytest.param("poster", plain((16, 16, 16)), 1, id="the middle of a level"),
        pytest.param("despeckled", plain(), 1, id="nothing to take out"),
    ],
)
def test_feature_value(name: str, picture: Pixels, expected: float) -> None:
    assert feature(name, np.ascontiguousarray(picture)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        pytest.param(8, 0, id="as good as invisible"),
        pytest.param(9, 1, id="just soft"),
        pytest.param(246, 1, id="still soft"),
        pytest.param(247, 0, id="as good as opaque"),
    ],
)
def test_soft_alpha_leaves_rounding_alone(alpha: int, expected: float) -> None:
    assert feature("soft_alpha_fraction", plain(alpha=alpha)) == expected


def test_an_opaque_picture_has_no_alpha_at_all() -> None:
    values = measure(square(), 1)
    assert (values.alpha_fraction, values.soft_alpha_fraction, values.soft_alpha_interior) == (0, 0, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1)])
def test_one_pixel_wide_has_neither_corners_nor_parts(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (*shape, 4), dtype=np.uint8)
    values = measure(picture, 1)
    assert (values.corner_density, values.part_density) == (0, 0)
    assert (values.flat_fraction, values.blockiness) == (1, 1)


@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_a_single_pixel_is_one_flat_window(alpha: int) -> None:
    values = measure(np.array([[[200, 30, 30, alpha]]], dtype=np.uint8), 1)
    assert (values.smoothness, values.hard_edges, values.despeckled) == pytest.approx((1, 1, 1))
    assert (values.faint_texture, values.middle_texture) == (0, 0)


def bars(*spans: tuple[int, int]) -> Pixels:
    """Return upright bars that reach from the first to the second number, px from the top."""
    picture = plain((255, 255, 255), side=192)
    for i, (top, bottom) in enumerate(spans):
        picture[top:bottom, 8 + i * 18 : 16 + i * 18, :3] = 0
    return picture


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        pytest.param(bars((50, 74), (50, 74), (50, 74), (50, 74)), 1, id="alike"),
        pytest.param(bars((58, 74), (50, 74), (58, 74), (50, 74)), 1, id="small and capital letters"),
        pytest.param(bars((66, 74), (50, 74), (66, 74), (50, 74)), 2 / 4 * 2 / 4, id="dots and capitals are two lines"),
        pytest.param(bars((50, 74), (55, 79), (50, 74), (55, 79)), 1, id="descenders"),
        pytest.param(
            bars((50, 74), (62, 86), (50, 74), (62, 86)), 2 / 4 * 2 / 4, id="half a line lower is another line"
        ),
        pytest.param(bars((50, 74), (50, 74), (50, 74), (150, 153)), 3 / 4 * 3 / 4, id="three of four"),
        pytest.param(bars(*[(50, 74)] * 4, (180, 180)), 1, id="an empty part is none"),
    ],
)
def test_text_is_parts_of_similar_height_on_one_line(picture: Pixels, expected: float) -> None:
    assert feature("text_probability", picture) == pytest.approx(expected)


def test_complexity_is_the_mean_of_three() -> None:
    values = measure(checks(8), 1)
    assert values.edge_density is not None
    assert values.entropy is not None
    expected = (values.edge_density + values.entropy / 8 + 1 / 16) / 3
    assert values.complexity_score == pytest.approx(expected)


def test_strong_jpeg_compression_shows() -> None:
    clean = disc(soft=1)
    damaged = decode(encoded(cv2.cvtColor(clean, cv2.COLOR_RGBA2RGB), "JPEG", quality=10))
    for name in ("noise_level", "unique_colors", "blockiness"):
        assert feature(name, clean) < feature(name, damaged)
    assert feature("flat_fraction", damaged) < feature("flat_fraction", clean)


def test_file_size_is_the_encoded_images() -> None:
    assert measure(plain(), 4321).file_size == 4321.0


def test_a_large_picture_is_looked_at_in_steps_and_says_nearly_the_same() -> None:
    small, large = (np.repeat(np.repeat(checks(16), n, 0), n, 1) for n in (4, 12))
    left, right = measure(small, 1), measure(large, 1)
    assert right.image_area == 9 * left.image_area  # type: ignore[operator]
    assert right.blockiness == 1.0, "steps would skip the borders of blocks"
    for name in ("unique_colors", "palette_size", "color_variance"):
        assert getattr(right, name) == pytest.approx(getattr(left, name), rel=0.05)


def test_colours_of_invisible_pixels_do_not_count() -> None:
    hidden = ramp()
    hidden[..., 3] = 0
    hidden[:10, :10] = (200, 0, 0, 255)
    assert feature("unique_colors", hidden) == 1
    assert feature("palette_size", hidden) == 1


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        pytest.param(plain((0, 0, 0)), 255, id="dark shows on white"),
        pytest.param(plain((255, 255, 255)), 0, id="light shows on black"),
        pytest.param(plain((127, 127, 127)), 255, id="just dark"),
        pytest.param(plain((128, 128, 128)), 0, id="just light"),
        pytest.param(plain((255, 255, 255), alpha=0), 255, id="nothing to show"),
    ],
)
def test_backdrop_is_the_ground_on_which_the_image_shows(picture: Pixels, expected: int) -> None:
    assert backdrop(picture) == expected


def test_backdrop_weighs_by_alpha() -> None:
    picture = plain((255, 255, 255), alpha=0)
    picture[:4, :4] = (0, 0, 0, 255)
    assert backdrop(picture) == 255
    picture[:40, :40] = (255, 255, 255, 255)
    assert backdrop(picture) == 0


@pytest.mark.parametrize(
    ("alpha", "ground", "expected"),
    [
        pytest.param(255, 255, (200, 30, 30), id="opaque"),
        pytest.param(0, 255, (255, 255, 255), id="invisible on white"),
        pytest.param(0, 0, (0, 0, 0), id="invisible on black"),
        pytest.param(51, 255, (244, 210, 210), id="a fifth on white"),
        pytest.param(51, 0, (40, 6, 6), id="a fifth on black"),
    ],
)
def test_composite(alpha: int, ground: int, expected: tuple[int, int, int]) -> None:
    assert composite(plain(alpha=alpha), ground)[0, 0].tolist() == list(expected)
    assert is_opaque(plain(alpha=alpha)) is (alpha == 255)


def test_luminance_is_bt601() -> None:
    colors = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    assert [int(luminance_on(plain(c), 0)[0, 0]) for c in colors] == [76, 150, 29]


UNIT_FEATURES = (
    "complexity_score",
    "edge_density",
    "color_variance",
    "text_probability",
    "geometric_score",
    "alpha_fraction",
    "soft_alpha_fraction",
    "soft_alpha_interior",
    "flat_fraction",
    "edge_sharpness",
    "smoothness",
    "faint_texture",
    "middle_texture",
    "hard_edges",
    "hard_alpha",
    "poster",
    "despeckled",
    "in_four_colors",
    "in_sixteen_colors",
)


def check_ranges(picture: Pixels) -> None:
    values = measure(picture, 10)
    numbers = values.vector()
    assert all(math.isfinite(v) and v >= 0 for v in numbers)
    assert all(0 <= getattr(values, name) <= 1 + 1e-6 for name in UNIT_FEATURES)
    assert values.unique_colors is not None
    assert values.palette_size is not None
    assert values.unique_colors >= 1
    assert values.palette_size >= 1


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(4)))
    | hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(4)), elements=st.just(255))
)
def test_ranges_hold_for_any_picture(picture: Pixels) -> None:
    check_ranges(picture)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (6, 7), (3000, 4), (4, 3000), (1, 1025), (513, 513)])
@pytest.mark.parametrize("alpha", [0, 90, 255])
def test_ranges_hold_for_odd_shapes(shape: tuple[int, int], alpha: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 4), dtype=np.uint8)
    picture[..., 3] = alpha
    check_ranges(picture)


def test_measuring_twice_gives_the_same() -> None:
    picture = noise(40)
    kept = picture.copy()
    assert measure(picture, 1) == measure(picture, 1)
    assert np.array_equal(picture, kept)


def test_the_same_image_has_the_same_features_to_the_last_bit_wherever_its_pixels_lie() -> None:
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (61, 67, 4), dtype=np.uint8)
    kept = []
    found = set()
    for size in range(1, 40):
        kept.append(np.empty(size * 997, np.uint8))  # moves what is allocated next
        found.add(measure(pixels.copy(), 100))
    assert len(found) == 1
