"""The fixed tables answer for every method, whatever is known of the image."""

import pytest

from router import METHODS, Features, Plan, base_candidate
from router._prediction import BASE_QUALITY
from router._rules import BYTES_FIXED, BYTES_PER_PIXEL, METHOD_TIER, REFINED_TIMES, SECONDS_PER_PIXEL, rule_order


@pytest.mark.parametrize(
    ("budget", "first"),
    [
        pytest.param(0.01, "performance", id="tight"),
        pytest.param(0.03, "performance", id="just tight"),
        pytest.param(0.031, "feature_mapping", id="some time"),
        pytest.param(None, "feature_mapping", id="all the time"),
    ],
)
def test_rule_order(budget: float | None, first: str) -> None:
    assert rule_order(budget)[0] == first


@pytest.mark.parametrize("budget", [0.001, 0.1, None])
def test_rule_order_names_every_method_once(budget: float | None) -> None:
    assert sorted(rule_order(budget)) == sorted(METHODS)


def test_every_method_has_a_tier() -> None:
    assert set(METHOD_TIER) == set(METHODS)


def test_base_candidate_promises_little_and_bounds_more_than_it_expects() -> None:
    made = base_candidate("performance", Plan(), Features(image_area=10_000))
    assert made.quality == BASE_QUALITY == 0.85
    assert 0 < made.seconds < made.seconds_high
    assert 0 < made.svg_bytes < made.svg_bytes_high


def test_base_candidate_grows_with_area_and_upscale() -> None:
    def seconds(area: float | None, upscale: int) -> float:
        return base_candidate("regression", Plan(upscale=upscale), Features(image_area=area)).seconds

    assert seconds(10_000, 1) < seconds(20_000, 1) < seconds(20_000, 2) < seconds(20_000, 3)
    assert seconds(None, 1) == seconds(65_536, 1)


def test_base_candidate_is_a_fixed_part_and_one_per_traced_pixel() -> None:
    plans = [Plan(upscale=1), Plan(upscale=2)]
    one, four = (base_candidate("regression", plan, Features(image_area=10_000)) for plan in plans)
    assert four.seconds - one.seconds == pytest.approx(SECONDS_PER_PIXEL * 30_000)
    assert four.svg_bytes - one.svg_bytes == pytest.approx(BYTES_PER_PIXEL * 30_000)
    assert one.svg_bytes - BYTES_PER_PIXEL * 10_000 == pytest.approx(BYTES_FIXED)


def test_a_refinement_takes_several_times_as_long_as_its_start_plan() -> None:
    once, refined = (base_candidate(m, Plan(upscale=2), Features(image_area=4096)) for m in ("regression", "ppo"))
    assert refined.seconds == pytest.approx(REFINED_TIMES * once.seconds)
    assert refined.seconds_high == pytest.approx(REFINED_TIMES * once.seconds_high)
    assert refined.svg_bytes == once.svg_bytes
