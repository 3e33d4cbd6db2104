"""The closed formulas give valid plans for any image, finer where there is more to trace and time for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import FEATURE_NAMES, Features, Plan
from router.formulas import feature_mapping_plans, ladder, performance_plans

ANY_FEATURES = st.builds(Features, **dict.fromkeys(FEATURE_NAMES, st.none() | st.floats(0, 1e9)))


@given(ANY_FEATURES)
def test_performance_is_one_trace_at_1x(features: Features) -> None:
    plans = performance_plans(features)
    assert [p.upscale for p in plans] == [1]
    assert plans == performance_plans(Features())


@given(ANY_FEATURES)
def test_feature_mapping_is_a_short_ladder_finest_last(features: Features) -> None:
    plans = feature_mapping_plans(features)
    steps = [p.upscale for p in plans]
    assert 1 <= len(plans) <= 3
    assert steps == sorted(set(steps))
    assert all(isinstance(p, Plan) for p in plans)
    assert plans == feature_mapping_plans(features)


@given(ANY_FEATURES, st.integers(1, 8))
def test_ladders_hold_at_most_so_many_steps(features: Features, count: int) -> None:
    steps = ladder(features, count)
    assert 1 <= len(steps) <= count
    assert list(steps) == sorted(set(steps))


@pytest.mark.parametrize("side", [16, 48, 128, 256, 512, 1024, 8000])
def test_larger_images_are_enlarged_less(side: int) -> None:
    here, there = (ladder(Features(image_area=float(s * s))) for s in (side, 2 * side))
    assert there[-1] <= here[-1]


def test_a_huge_image_still_has_a_step() -> None:
    assert ladder(Features(image_area=64.0 * 2**20)) == (1,)
    assert [p.upscale for p in feature_mapping_plans(Features(image_area=64.0 * 2**20))] == [1]


def test_an_image_of_unknown_area_is_taken_for_a_middling_one() -> None:
    assert ladder(Features()) == ladder(Features(image_area=65_536.0))


def test_more_colours_never_get_a_coarser_palette() -> None:
    counts = (None, 1, 2, 16, 64, 500, 4_000, 70_000, 10**6)
    precisions = [feature_mapping_plans(Features(unique_colors=c))[-1].color_precision for c in counts[1:]]
    assert precisions == sorted(precisions)
    assert feature_mapping_plans(Features(unique_colors=None))


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
