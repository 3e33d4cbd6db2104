"""The closed formulas give valid plans for any image, finer where there is more to trace and time for it."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import FEATURE_NAMES, PLAN_BOUNDS, Features, Plan
from router.formulas import (
    FORMULAS,
    LONGEST_TRACED_SIDE,
    MOST_DIFFERENCE,
    MOST_TRACED,
    PERFORMANCE,
    SMALL,
    STEPS,
    TINY,
    Formulas,
    Line,
    feature_mapping_plans,
    fine_plan,
    ladder,
    mapped,
    performance_plans,
    spared,
)

ANY_FEATURES = st.builds(Features, **dict.fromkeys(FEATURE_NAMES, st.none() | st.floats(0, 1e9)))


@given(ANY_FEATURES)
def test_performance_is_one_plan_that_traces_few_pixels(features: Features) -> None:
    (plan,) = performance_plans(features)
    assert plan.upscale == 1 or plan.upscale * (features.short_side or math.sqrt(features.image_area or 0)) <= 2 * SMALL


def test_the_preset_does_nothing_beforehand() -> None:
    assert performance_plans(Features()) == (PERFORMANCE,)
    assert msgspec.structs.replace(Plan(), mode="smooth", filter_speckle=2, layer_difference=48) == PERFORMANCE


@pytest.mark.parametrize(
    ("features", "step"),
    [
        pytest.param(Features(short_side=16.0), 3, id="tiny"),
        pytest.param(Features(short_side=TINY, image_area=1e6), 3, id="just tiny, however long"),
        pytest.param(Features(short_side=TINY + 1.0), 2, id="small"),
        pytest.param(Features(image_area=float(SMALL**2)), 2, id="small by its area"),
        pytest.param(Features(short_side=SMALL + 1.0), 1, id="neither"),
    ],
)
def test_the_preset_enlarges_and_reduces_small_images(features: Features, step: int) -> None:
    (plan,) = performance_plans(features)
    assert (plan.upscale, plan.palette) == (step, 8 if step > 1 else 0)


def test_the_preset_draws_soft_small_images_in_bands() -> None:
    soft, thin, hard = Features(soft_alpha_interior=0.2), Features(hard_alpha=0.5), Features(hard_alpha=1.0)
    small = (performance_plans(msgspec.structs.replace(one, short_side=32.0))[0] for one in (soft, thin, hard))
    assert [plan.matte for plan in small] == ["bands", "bands", "binary"]


@pytest.mark.parametrize(
    ("side", "step", "speckle", "left"),
    [
        pytest.param(32.0, 3, 8, 4, id="parts of a small image"),
        pytest.param(32.0, 6, 8, 7, id="finer"),
        pytest.param(32.0, 3, 2, 2, id="smaller ones are no parts"),
        pytest.param(SMALL + 1.0, 3, 8, 8, id="no small image"),
    ],
)
def test_small_images_are_spared(side: float, step: int, speckle: int, left: int) -> None:
    plan = Plan(upscale=step, filter_speckle=speckle, palette=4)
    assert spared(plan, Features(short_side=side)) == msgspec.structs.replace(plan, filter_speckle=left)


@pytest.mark.parametrize(
    ("step", "layers", "left"), [(1, 64, 64), (2, 64, MOST_DIFFERENCE), (2, 8, 8)], ids=["native", "enlarged", "many"]
)
def test_enlarged_images_keep_their_layers(step: int, layers: int, left: int) -> None:
    plan = Plan(upscale=step, layer_difference=layers)
    assert spared(plan, Features()) == msgspec.structs.replace(plan, layer_difference=left)


def test_formulas_spare_images() -> None:
    formulas = FORMULAS._replace(filter_speckle=Line(8, 0, 1, 8), layer_difference=Line(60, 0, 0, 64))
    assert [mapped(Features(short_side=side), 3, formulas).filter_speckle for side in (32.0, 320.0)] == [4, 8]
    assert [mapped(Features(), step, formulas).layer_difference for step in (1, 2)] == [60, MOST_DIFFERENCE]


@given(ANY_FEATURES)
def test_feature_mapping_is_a_lean_and_a_fine_plan(features: Features) -> None:
    lean, *fine = feature_mapping_plans(features)
    finest = ladder(features)[-1]
    assert lean.upscale == 1 or (lean.upscale == 2 < finest)
    assert fine == ([] if finest == 1 else [mapped(features, finest, FORMULAS)])
    assert feature_mapping_plans(features) == (lean, *fine)


@pytest.mark.parametrize(
    ("side", "density", "step", "speckle", "layers"),
    [
        pytest.param(50.0, 190.0, 2, 2, MOST_DIFFERENCE, id="a small image of few parts is enlarged"),
        pytest.param(50.0, 210.0, 1, 2, 48, id="of many it is not"),
        pytest.param(50.0, None, 1, 2, 48, id="nobody counted"),
        pytest.param(200.0, 24.0, 1, 2, MOST_DIFFERENCE, id="a larger one of few parts keeps them"),
        pytest.param(200.0, 26.0, 1, 9, 48, id="of many it does not"),
    ],
)
def test_an_image_of_few_parts_keeps_them(
    side: float, density: float | None, step: int, speckle: int, layers: int
) -> None:
    lean = feature_mapping_plans(Features(short_side=side, image_area=side * side, part_density=density))[0]
    assert (lean.upscale, lean.filter_speckle, lean.layer_difference) == (step, speckle, layers)


def test_a_long_small_image_has_no_two_plans_of_one_step() -> None:
    long = Features(short_side=20.0, image_area=400_000.0, aspect_ratio=1_000.0, part_density=0.0)
    assert [p.upscale for p in feature_mapping_plans(long)] == [1, 2]


@pytest.mark.parametrize(
    ("side", "steps"),
    [
        pytest.param(64, [1, 8], id="all six steps"),
        pytest.param(256, [1, 4], id="four steps"),
        pytest.param(1000, [1, 2], id="two steps"),
        pytest.param(2000, [1], id="one step: the lean plan alone"),
    ],
)
def test_lean_and_fine_hang_on_the_area(side: int, steps: list[int]) -> None:
    assert [p.upscale for p in feature_mapping_plans(Features(image_area=float(side**2)))] == steps


@pytest.mark.parametrize(
    ("side", "speckle", "layers"),
    [
        pytest.param(48.0, 2, 48, id="a small image keeps its parts"),
        pytest.param(100.0, 8, 48, id="no less than the lower bounds"),
        pytest.param(300.0, 12, 64, id="on the lines"),
        pytest.param(2000.0, 16, 96, id="no more than the upper bounds"),
    ],
)
def test_the_larger_an_image_the_more_the_lean_plan_leaves_out(side: float, speckle: int, layers: int) -> None:
    lean = feature_mapping_plans(Features(short_side=side, image_area=side * side))[0]
    assert (lean.filter_speckle, lean.layer_difference) == (speckle, layers)


@pytest.mark.parametrize(("kept", "palette"), [(0.95, 4), (0.85, 8)])
def test_the_lean_plan_has_few_colours_where_an_image_keeps_enough_in_them(kept: float, palette: int) -> None:
    assert feature_mapping_plans(Features(in_four_colors=kept))[0].palette == palette


def test_the_fine_plan_does_without_the_lean_one() -> None:
    for side in (64.0, 2000.0):
        features = Features(image_area=side * side)
        assert fine_plan(features) == mapped(features, ladder(features)[-1], FORMULAS)


def test_formulas_are_the_fitted_ones_unless_others_are_given() -> None:
    image = Features(palette_size=9.0, image_area=4096.0)
    other = FORMULAS._replace(palette=Line(5, 0, 3, 64))
    assert feature_mapping_plans(image) == feature_mapping_plans(image, FORMULAS)
    assert fine_plan(image, other).palette == 5


@pytest.mark.parametrize(
    ("line", "x", "value"),
    [
        pytest.param(Line(1.0, 2.0, 0, 10), 2.0, 5, id="on the line"),
        pytest.param(Line(1.0, 2.0, 0, 10), 2.4, 6, id="rounded"),
        pytest.param(Line(1.0, 2.0, 0, 10), 1e300, 10, id="no higher than its upper bound"),
        pytest.param(Line(1.0, -2.0, 0, 10), 1e300, 0, id="no lower than its lower bound"),
    ],
)
def test_a_line_is_clamped_and_whole(line: Line, x: float, value: int) -> None:
    assert line.at(x) == value


# What moves a parameter: an image with the least of a feature, one with much of it, constants, and the two values.
MOVES = [
    ("palette", Features(palette_size=2), Features(palette_size=30), Line(1, 2, 3, 64), (5, 61)),
    ("layer_difference", Features(gradient_strength=0), Features(gradient_strength=5), Line(9, -1, 0, 64), (9, 4)),
    ("denoise", Features(noise_level=0), Features(noise_level=9), Line(0, 0.3, 0, 3), (0, 3)),
    ("corner_threshold", Features(edge_density=0), Features(edge_density=0.2), Line(75, -100, 45, 75), (75, 55)),
    ("length_threshold", Features(corner_density=0), Features(corner_density=9), Line(6, -1, 3.5, 6), (6, 4)),
    ("splice_threshold", Features(gradient_strength=0), Features(gradient_strength=2), Line(45, 10, 45, 70), (45, 65)),
    ("max_iterations", Features(complexity_score=0), Features(complexity_score=0.5), Line(6, 10, 6, 14), (6, 11)),
    ("path_precision", Features(entropy=0), Features(entropy=8), Line(1, 0.2, 1, 2), (1, 2)),
]


@pytest.mark.parametrize(("name", "little", "much", "line", "expected"), MOVES, ids=[move[0] for move in MOVES])
def test_each_parameter_follows_its_line(
    name: str, little: Features, much: Features, line: Line, expected: tuple[float, float]
) -> None:
    formulas = Formulas(**(FORMULAS._asdict() | {name: line}))
    assert tuple(getattr(mapped(image, 2, formulas), name) for image in (little, much)) == pytest.approx(expected)


def test_speckles_grow_with_the_step() -> None:
    formulas = FORMULAS._replace(filter_speckle=Line(1, 1, 1, 8))
    assert [mapped(Features(), step, formulas).filter_speckle for step in STEPS] == [2, 3, 4, 5, 7, 8]


def test_every_plan_has_smooth_outlines() -> None:
    assert {p.mode for p in (*performance_plans(Features()), *feature_mapping_plans(Features()))} == {"smooth"}


def test_soft_interiors_and_thin_strokes_are_traced_in_bands() -> None:
    formulas = FORMULAS._replace(soft_interior=0.01)
    assert [mapped(Features(soft_alpha_interior=s), 1, formulas).matte for s in (0.01, 0.02)] == ["binary", "bands"]
    thin = [mapped(Features(hard_alpha=h), 1, formulas).matte for h in (0.5, 0.99)]
    assert thin == ["bands", "binary"]


@given(ANY_FEATURES)
def test_colours_never_flow_together(features: Features) -> None:
    for plan in feature_mapping_plans(features):
        assert plan.palette > 0
        assert plan.color_precision == PLAN_BOUNDS["color_precision"][1]


@pytest.mark.parametrize(
    ("step", "most"), [(2, MOST_TRACED), (3, 3_000_000), (4, 1_200_000), (6, 1_200_000), (8, 1_200_000)]
)
def test_a_step_is_offered_up_to_its_own_limit_of_traced_pixels(step: int, most: int) -> None:
    area = most // step**2
    assert step in ladder(Features(image_area=float(area)))
    assert step not in ladder(Features(image_area=float(area + 1)))


@given(ANY_FEATURES, st.integers(1, 8))
def test_ladders_hold_at_most_so_many_steps(features: Features, count: int) -> None:
    steps = ladder(features, count)
    assert 1 <= len(steps) <= count
    assert list(steps) == sorted(set(steps))


@pytest.mark.parametrize("side", [16, 48, 128, 256, 512, 1024, 8000])
def test_larger_images_are_enlarged_less(side: int) -> None:
    here, there = (ladder(Features(image_area=float(s * s))) for s in (side, 2 * side))
    assert there[-1] <= here[-1]


def test_sides_stay_below_what_the_tracer_refuses() -> None:
    for side in (LONGEST_TRACED_SIDE // 2, LONGEST_TRACED_SIDE // 2 + 1):
        steps = ladder(Features(image_area=float(side), aspect_ratio=float(side)))
        assert steps[-1] * side <= LONGEST_TRACED_SIDE


def test_a_huge_image_still_has_a_step() -> None:
    assert ladder(Features(image_area=64.0 * 2**20)) == (1,)
    assert [p.upscale for p in feature_mapping_plans(Features(image_area=64.0 * 2**20))] == [1]


def test_an_image_of_unknown_area_is_taken_for_a_middling_one() -> None:
    assert ladder(Features()) == ladder(Features(image_area=65_536.0))


def test_more_colours_never_get_a_coarser_palette() -> None:
    counts = (1, 2, 16, 64, 500, 4_000)
    palettes = [feature_mapping_plans(Features(palette_size=c))[-1].palette for c in counts]
    assert palettes == sorted(palettes)
    assert feature_mapping_plans(Features(palette_size=None))


@pytest.mark.parametrize(
    ("width", "height", "steps"),
    [(40_000, 1, (1,)), (1, 20_000, (1, 2, 3)), (70_000, 2, (1,)), (16_000, 4, (1, 2, 3, 4))],
)
def test_no_step_makes_a_side_that_the_tracer_refuses(width: int, height: int, steps: tuple[int, ...]) -> None:
    long = Features(image_area=float(width * height), aspect_ratio=width / height)
    assert ladder(long) == steps


@pytest.mark.parametrize("aspect", [1e-320, 1e-300, 1e300])
def test_absurd_aspect_ratios_leave_the_smallest_step(aspect: float) -> None:
    assert ladder(Features(image_area=65_536.0, aspect_ratio=aspect)) == (1,)


@pytest.mark.parametrize(
    ("palette", "kept", "expected"), [(3, 0.89, 8), (4, 0.89, 8), (4, 0.9, 4), (6, 0.5, 6), (0, 0.5, 0), (3, None, 3)]
)
def test_few_colours_are_for_what_keeps_enough_of_itself_in_four(
    palette: int, kept: float | None, expected: int
) -> None:
    assert spared(Plan(palette=palette), Features(in_four_colors=kept)).palette == expected
