"""Search tries the plans that are worth it at each step, learns from what they cost, and keeps the best."""

import math
from collections import Counter

import msgspec
import pytest

from converter.errors import ConversionFailed
from router import FEATURE_NAMES, Features, Plan
from router.formulas import ladder
from training._explore import KEPT, STARTUP, cost, explore, found_best
from training._plans import BYTES_FREE, BYTES_WEIGHT, SECONDS_WEIGHT, choices
from training._run import Label, Run

SMALL = Features(image_area=4096.0)
ONE_STEP = Features(image_area=4_000_000.0)


def same(plan: Plan) -> Plan:
    return plan


def speckle(plan: Plan) -> float:
    return plan.filter_speckle


def test_every_step_gets_its_trials_within_the_choices() -> None:
    plans = explore(same, speckle, SMALL, trials=2, seed=1)
    assert Counter(plan.upscale for plan in plans) == dict.fromkeys(ladder(SMALL), 2)
    for plan in plans:
        wide = {**choices(SMALL, plan.upscale), "filter_speckle": range(plan.upscale + 2)}  # it is spared
        assert all(getattr(plan, name) in values for name, values in wide.items())


def test_the_same_seed_tries_the_same_plans_and_steps_try_different_ones() -> None:
    one, other, third = (explore(same, speckle, SMALL, trials=2, seed=seed) for seed in (1, 1, 2))
    assert one == other != third
    assert len({msgspec.structs.replace(plan, upscale=1) for plan in one}) > len(ladder(SMALL))


def test_later_trials_cost_less_than_the_first() -> None:
    costs = [speckle(plan) for plan in explore(same, speckle, ONE_STEP, trials=25, seed=3)]
    assert sum(costs[-10:]) / 10 < sum(costs[:STARTUP]) / STARTUP


def test_a_plan_that_fails_costs_its_trial_and_no_more() -> None:
    tried: list[Plan] = []

    def run(plan: Plan) -> Plan:
        tried.append(plan)
        if len(tried) % 3 == 0:
            raise ConversionFailed("a panic")
        return plan

    given = explore(run, speckle, ONE_STEP, trials=7, seed=1)
    assert len(tried) == 7
    assert given == [plan for number, plan in enumerate(tried, 1) if number % 3]


def test_what_is_no_failed_conversion_flies() -> None:
    def broken(_: Plan) -> Plan:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explore(broken, speckle, ONE_STEP, trials=1, seed=1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"quality": 0.95}, math.log(0.5), id="half the error"),
        pytest.param({"svg_bytes": 5e8}, BYTES_WEIGHT * math.log(0.5), id="half of many bytes"),
        pytest.param({"seconds": 500.0}, SECONDS_WEIGHT * math.log(0.5), id="half of a long time"),
        pytest.param({"svg_bytes": BYTES_FREE / 1e6}, -BYTES_WEIGHT * math.log(1e9 / BYTES_FREE), id="hardly a byte"),
    ],
)
def test_cost_is_the_logarithm_of_the_error_and_a_little_more(change: dict[str, float], expected: float) -> None:
    usual = {"quality": 0.9, "svg_bytes": 1e9, "seconds": 1000.0}
    assert cost(**usual | change) - cost(**usual) == pytest.approx(expected, rel=1e-4)


def test_nothing_costs_less_than_nothing_measurable() -> None:
    assert cost(1.0, 0.0, 0.0) == cost(0.99995, 0.0, 0.0) == pytest.approx(math.log(1e-4))


def searched_image(one: Label, *figures: tuple[int, int, float]) -> Label:
    """Return a label whose runs have these steps, palettes and qualities."""
    runs = tuple(
        Run(
            origin="explored",
            plan=Plan(upscale=step, palette=palette),
            quality=quality,
            seconds=0.1,
            wall_seconds=0.1,
            svg_bytes=1000,
            path_count=9,
        )
        for step, palette, quality in figures
    )
    return msgspec.structs.replace(one, runs=runs)


def test_the_best_plans_of_each_image_and_step_are_kept_best_first(explored: list[Label]) -> None:
    figures = [(1, 3, 0.5), (1, 4, 0.9), (1, 6, 0.7), (1, 8, 0.8), (2, 3, 0.6)]
    found = found_best([searched_image(explored[0], *figures), searched_image(explored[1])])
    assert [(one.upscale, [plan.palette for plan in one.plans]) for one in found] == [(1, [4, 8, 6]), (2, [3])]
    assert len(found[0].plans) == KEPT
    assert all(one.features == tuple(explored[0].features.vector()) for one in found)
    assert len(found[0].features) == len(FEATURE_NAMES)


def test_a_plan_that_was_tried_twice_is_kept_once(explored: list[Label]) -> None:
    (found,) = found_best([searched_image(explored[0], (1, 3, 0.5), (1, 3, 0.5), (1, 4, 0.4))])
    assert [plan.palette for plan in found.plans] == [3, 4]
