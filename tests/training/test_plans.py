"""Random plans lie in the region worth searching, and the same seed draws the same ones."""

import random

import pytest

from router import Features
from router.formulas import ladder
from training._plans import random_plan, random_plans

SMALL = Features(image_area=4096.0)


def test_steps_are_taken_in_turn() -> None:
    steps = ladder(SMALL)
    plans = random_plans(SMALL, 2 * len(steps), random.Random(1))
    assert [plan.upscale for plan in plans] == [*steps, *steps]


def test_the_same_seed_draws_the_same_plans() -> None:
    one, other, third = (random_plans(SMALL, 8, random.Random(seed)) for seed in (1, 1, 2))
    assert one == other != third


@pytest.mark.parametrize(
    ("features", "mattes", "denoises"),
    [
        pytest.param(SMALL, {"binary"}, {0}, id="clean"),
        pytest.param(Features(soft_alpha_interior=0.1), {"binary", "bands"}, {0}, id="soft"),
        pytest.param(Features(noise_level=3.0), {"binary"}, {0, 1, 2, 3}, id="noisy"),
        pytest.param(Features(blockiness=2.0), {"binary"}, {0, 1, 2, 3}, id="blocky"),
    ],
)
def test_what_is_tried_depends_on_the_image(features: Features, mattes: set[str], denoises: set[int]) -> None:
    rng = random.Random(1)
    plans = [random_plan(features, 2, rng) for _ in range(80)]
    assert {plan.matte for plan in plans} == mattes
    assert {plan.denoise for plan in plans} == denoises
    assert {plan.mode for plan in plans} == {"polygon", "spline"}


def test_large_speckles_are_dropped_only_where_the_image_is_enlarged() -> None:
    rng = random.Random(1)
    assert max(random_plan(SMALL, 1, rng).filter_speckle for _ in range(80)) == 4
    assert max(random_plan(SMALL, 2, rng).filter_speckle for _ in range(80)) == 8
