"""The host's speed is learnt from reports: quickly, not from outliers, and not for ever."""

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import METHODS, Method
from vecroute._learnt_speed import HALF_LIFE, Learnt, Speed
from vecroute._speed import LEAST, MOST

DAY = 86_400.0


def report(
    speed: Speed, ratio: Callable[[], float], count: int, *, method: Method = "ppo", start: float = 0.0, step: float = 1
) -> float:
    """Report so many conversions, one every `step` seconds; return the time of the last one."""
    for number in range(count):
        speed.add(method, measured=0.04 * ratio(), predicted=0.04, now=start + number * step)
    return start + (count - 1) * step


def noisy(ratio: float, seed: int, spread: float = 0.25) -> Callable[[], float]:
    """Return measured / predicted as predictions err: by a factor of e^0.25 in either direction."""
    random = Random(seed)
    return lambda: ratio * math.exp(random.gauss(0.0, spread))


def of(speed: Speed, now: float, method: Method = "ppo") -> float:
    return (speed.at(now) or (1.0,) * 4)[METHODS.index(method)]


def test_nothing_reported_changes_nothing() -> None:
    assert Speed().at(5.0) == ()


@pytest.mark.parametrize("ratio", [0.5, 2.0, 3.0])
def test_twenty_reports_tell_a_hosts_speed_to_ten_percent(ratio: float) -> None:
    speed = Speed()
    now = report(speed, lambda: ratio, 20)
    assert of(speed, now) == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize("ratio", [0.5, 2.0, 3.0])
def test_where_predictions_err_the_speed_is_right_on_average_and_never_far_off(ratio: float) -> None:
    found = []
    for seed in range(40):
        speed = Speed()
        now = report(speed, noisy(ratio, seed), 40)
        found.append(of(speed, now) / ratio)
    assert sum(found) / len(found) == pytest.approx(1.0, rel=0.05)
    assert 0.75 < min(found) <= max(found) < 1.33


def test_a_host_that_slows_down_twofold_is_noticed_within_twenty_reports() -> None:
    speed = Speed()
    now = report(speed, lambda: 1.0, 500)
    now = report(speed, lambda: 2.0, 20, start=now)
    assert of(speed, now) == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("outlier", [50.0, 1 / 50, 1e300, 5e-324])
def test_one_outlier_moves_it_by_less_than_ten_percent(outlier: float) -> None:
    speed = Speed()
    now = report(speed, lambda: 2.0, 20)
    before = of(speed, now)
    speed.add("ppo", measured=outlier, predicted=1.0, now=now)
    assert of(speed, now) == pytest.approx(before, rel=0.1)


def test_a_first_report_is_half_believed_at_most() -> None:
    speed = Speed()
    speed.add("ppo", measured=50.0, predicted=1.0, now=0.0)
    assert 1.0 < of(speed, 0.0) < 1.5


def test_silence_of_a_day_decays_to_what_was_predicted() -> None:
    speed = Speed()
    now = report(speed, lambda: 4.0, 1000)
    assert of(speed, now) > 3.8
    steps = [of(speed, now + hours * 3600) for hours in range(25)]
    assert steps == sorted(steps, reverse=True)
    assert of(speed, now + 2 * HALF_LIFE) > 3.0
    assert of(speed, now + DAY) == pytest.approx(1.0, rel=0.05)


def test_a_busy_method_moves_another_by_half_and_one_with_reports_of_its_own_hardly() -> None:
    speed = Speed()
    now = report(speed, lambda: 1.0, 20, method="performance")
    now = report(speed, lambda: 4.0, 10_000, start=now, step=0.1)
    assert of(speed, now) == pytest.approx(4.0, rel=0.05)
    assert of(speed, now, "regression") < 2.0
    assert of(speed, now, "performance") == pytest.approx(1.0, rel=0.1)


def test_methods_that_agree_are_believed_of_the_one_without_reports() -> None:
    speed, now = Speed(), 0.0
    for method in ("performance", "feature_mapping", "regression"):
        now = report(speed, lambda: 2.0, 50, method=method, start=now)
    assert of(speed, now) == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(
    ("measured", "predicted"),
    [
        (0.0, 1.0),
        (-1.0, 1.0),
        (math.nan, 1.0),
        (math.inf, 1.0),
        (1.0, 0.0),
        (1.0, -1.0),
        (1.0, math.nan),
        (1.0, math.inf),
    ],
)
def test_seconds_that_no_conversion_takes_teach_nothing(measured: float, predicted: float) -> None:
    speed = Speed()
    for _ in range(100):
        speed.add("ppo", measured=measured, predicted=predicted, now=0.0)
    assert speed.at(0.0) == ()


@pytest.mark.parametrize(("measured", "bound"), [(1e308, MOST), (1e-308, LEAST)])
def test_nonsense_for_ever_ends_at_the_bounds(measured: float, bound: float) -> None:
    speed = Speed()
    now = report(speed, lambda: measured, 5000, step=0.01)
    assert of(speed, now) == pytest.approx(bound, rel=0.1)
    assert all(LEAST <= ratio <= MOST for ratio in speed.at(now))


POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)


@given(st.lists(st.tuples(st.sampled_from(METHODS), POSITIVE, POSITIVE, st.floats(-1e6, 1e6)), max_size=30))
def test_whatever_is_reported_the_speed_is_one(reports: list[tuple[Method, float, float, float]]) -> None:
    speed = Speed()
    for method, measured, predicted, now in reports:
        speed.add(method, measured=measured, predicted=predicted, now=now)
        assert all(LEAST <= ratio <= MOST for ratio in speed.at(now))


@pytest.mark.parametrize("age", [-5.0, 0.0, 600.0, HALF_LIFE, DAY])
def test_the_next_daemon_goes_on_as_if_so_long_had_been_silence(age: float) -> None:
    speed, other = Speed(), Speed()
    now = report(speed, lambda: 2.0, 20)
    now = report(speed, lambda: 0.5, 5, method="performance", start=now)
    other.recall(speed.learnt(now), age, 1e6)
    assert other.at(1e6 + 60) == pytest.approx(speed.at(now + max(age, 0) + 60))


@pytest.mark.parametrize(
    "learnt", [Learnt(math.nan, 5), Learnt(9.0, 5), Learnt(0.5, -1), Learnt(0.5, math.inf), Learnt(0.5, math.nan)]
)
def test_what_no_daemon_would_have_learnt_is_not_recalled(learnt: Learnt) -> None:
    speed = Speed()
    speed.recall({"ppo": learnt}, 0.0, 0.0)
    assert speed.at(0.0) == ()
