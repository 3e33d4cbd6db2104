"""Predicted against measured quality: figures as any textbook's, and an alarm that is neither hasty nor restless."""

import itertools
import re
import statistics
from collections.abc import Iterable
from random import Random

import pytest

from daemon.truth import LEAST_REPORTS, WINDOW, Rule, Truth
from router import METHODS

OWN = 0.015
Pairs = list[tuple[float, float]]


def pairs(count: int, *, error: float, bias: float = 0.0, spread: float = 0.05, seed: int = 1) -> Pairs:
    """Return predicted and measured qualities around 0.9; `error` and `spread` are standard deviations."""
    random = Random(seed)
    made = []
    for _ in range(count):
        predicted = min(max(random.gauss(0.9, spread), 0.0), 1.0)
        made.append((predicted, min(max(predicted + random.gauss(bias, error), 0.0), 1.0)))
    return made


def feed(truth: Truth, given: Iterable[tuple[float, float]]) -> list[bool]:
    """Report pairs; return whether the alarm was raised after each."""
    raised = []
    for number, (predicted, measured) in enumerate(given):
        truth.add(METHODS[number % 4], predicted=predicted, measured=measured)
        raised.append(truth.drifted)
    return raised


def test_nothing_reported_tells_nothing() -> None:
    status = Truth(Rule(), OWN).status()
    assert (status.count, status.correlation, status.mean_absolute_error, status.bias) == (0, None, None, None)
    assert (status.method_errors, status.error_limit, status.drift) == ({}, 2 * OWN, None)


@pytest.mark.parametrize("count", [2, 50, WINDOW, 3 * WINDOW + 17])
def test_the_figures_are_those_of_the_last_pairs(count: int) -> None:
    truth, given = Truth(Rule(), OWN), pairs(count, error=0.02, bias=-0.01)
    feed(truth, given)
    last = given[-WINDOW:]
    predicted, measured = zip(*last, strict=True)
    status = truth.status()
    assert status.count == len(last)
    assert status.correlation == pytest.approx(statistics.correlation(predicted, measured), abs=1e-9)
    assert status.mean_absolute_error == pytest.approx(statistics.fmean(abs(m - p) for p, m in last))
    assert status.bias == pytest.approx(statistics.fmean(m - p for p, m in last))
    for index, method in enumerate(METHODS[: min(count, 4)]):
        own = [pair for number, pair in enumerate(given) if number % 4 == index][-WINDOW // 4 - 1 :]
        assert status.method_errors[method] == pytest.approx(statistics.fmean(abs(m - p) for p, m in own), rel=0.2)


def test_a_million_reports_leave_no_rounding_error() -> None:
    truth, given = Truth(Rule(), OWN), pairs(997, error=0.02)
    for _ in range(101):
        feed(truth, given)
    predicted, measured = zip(*given[-WINDOW:], strict=True)
    assert truth.correlation == pytest.approx(statistics.correlation(predicted, measured), abs=1e-9)


def test_a_method_that_is_used_no_more_has_no_error() -> None:
    truth = Truth(Rule(), OWN)
    truth.add("ppo", predicted=0.9, measured=0.8)
    for _ in range(WINDOW):
        truth.add("performance", predicted=0.9, measured=0.91)
    assert list(truth.status().method_errors) == ["performance"]


@pytest.mark.parametrize(
    ("given", "correlation"),
    [
        pytest.param([(0.9, 0.9)], None, id="one report"),
        pytest.param([(0.9, 0.8), (0.9, 0.7)], None, id="predictions that never vary"),
        pytest.param([(0.8, 0.9), (0.7, 0.9)], None, id="qualities that never vary"),
        pytest.param([(0.8, 0.9), (0.7, 0.8)], 1.0, id="together"),
        pytest.param([(0.8, 0.8), (0.7, 0.9)], -1.0, id="against one another"),
    ],
)
def test_correlation_needs_something_that_varies(given: Pairs, correlation: float | None) -> None:
    truth = Truth(Rule(), OWN)
    feed(truth, given)
    assert truth.status().correlation == (None if correlation is None else pytest.approx(correlation))


@pytest.mark.parametrize(
    ("own", "rule", "limit"),
    [
        pytest.param(0.015, Rule(), 0.03, id="twice its own"),
        pytest.param(0.004, Rule(), 0.02, id="a good export is not held to nothing"),
        pytest.param(None, Rule(), 0.02, id="an export that states none"),
        pytest.param(-5.0, Rule(), 0.02, id="one that states nonsense"),
        pytest.param(0.015, Rule(error_factor=4.0), 0.06, id="as set"),
        pytest.param(0.015, Rule(error_floor=0.1), 0.1, id="floor as set"),
    ],
)
def test_the_limit(own: float | None, rule: Rule, limit: float) -> None:
    assert Truth(rule, own).limit == pytest.approx(limit)


@pytest.mark.parametrize("seed", range(10))
def test_an_export_as_good_as_it_says_raises_no_alarm(seed: int) -> None:
    truth = Truth(Rule(), OWN)
    assert not any(feed(truth, pairs(3000, error=OWN * 1.25, seed=seed)))  # an MAE of OWN


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(pairs(LEAST_REPORTS, error=0.08), r"off by 0\.0\d+ over 50 reports, 0\.0300", id="errors"),
        pytest.param(pairs(LEAST_REPORTS, error=0.01, bias=-0.1), r"off by 0\.1\d+ over", id="bias"),
        pytest.param([(0.9, 0.9 + 0.04 * (-1) ** n) for n in range(50)], "off by 0.04", id="always the same"),
    ],
)
def test_drift_is_told_with_its_reason_and_not_before_enough_is_known(given: Pairs, said: str) -> None:
    truth = Truth(Rule(), OWN)
    raised = feed(truth, given)
    assert raised == [False] * (LEAST_REPORTS - 1) + [True]
    drift = truth.status().drift
    assert drift is not None
    assert re.search(said, drift)


def test_predictions_that_have_nothing_to_do_with_what_is_measured() -> None:
    measured = (0.8, 1.0, *[0.9] * 6)
    given = [(0.895 if turn % 2 else 0.905, quality) for turn in range(25) for quality in measured]
    truth = Truth(Rule(error_floor=0.036), 0.0)  # the error alone would pass
    feed(truth, given)
    assert re.fullmatch(
        r"predictions correlate by -?0\.\d\d over 200 reports, 0\.30 is asked for", truth.status().drift or ""
    )
    silent = Truth(Rule(error_floor=0.036, correlation=-1.0), 0.0)
    feed(silent, given)
    assert silent.status().drift is None


def test_images_that_are_all_alike_tell_nothing_of_the_correlation() -> None:
    random = Random(4)
    truth = Truth(Rule(), OWN)
    assert not any(feed(truth, [(random.gauss(0.97, 0.01), random.gauss(0.97, 0.01)) for _ in range(500)]))
    assert abs(truth.correlation or 1.0) < 0.3


def test_what_swings_about_the_limit_does_not_flap() -> None:
    truth, changes, before = Truth(Rule(), OWN), 0, False
    for turn in range(60):
        error = 0.0385 if turn % 2 else 0.0365  # an MAE of about 0.03, the limit
        for now in feed(truth, pairs(100, error=error, seed=turn)):
            changes, before = changes + (now != before), now
    assert changes <= 1


def test_the_alarm_ends_once_predictions_hold_again() -> None:
    truth = Truth(Rule(), OWN)
    feed(truth, pairs(WINDOW, error=0.02, bias=-0.1))
    assert truth.drifted
    feed(truth, pairs(410, error=OWN))
    assert "before the alarm ends" in (truth.status().drift or "")
    raised = feed(truth, pairs(WINDOW, error=OWN))
    assert raised[0]
    assert not raised[-1]
    assert sum(a != b for a, b in itertools.pairwise(raised)) == 1
    assert truth.status().drift is None


def test_what_is_not_judged_never_drifts() -> None:
    truth = Truth(Rule(), judged=False)
    assert not any(feed(truth, pairs(200, error=0.02, bias=-0.3)))
    assert (truth.status().error_limit, truth.status().drift) == (None, None)
    assert truth.status().mean_absolute_error == pytest.approx(0.3, abs=0.02)
