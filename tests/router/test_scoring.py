"""Each policy puts candidates in the order that its rule says."""

from typing import Any

import msgspec
import pytest

from router import Candidate, Constraints, Host, Policy, Prediction
from router._scoring import (
    Ranked,
    at_speed,
    base_probabilities,
    chance,
    factor,
    meets,
    order_base,
    order_constrained,
    order_weighted,
    share,
    weighted_score,
)
from tests.router.builders import FAST, FINE, LADDER, MIDDLE, candidate, forest, prediction

BUSY, IDLE, POLICY = Host(system_load=0.81), Host(), Policy(caution=0.0)
NO_LIMITS = Constraints()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({}, 1.0, id="no budget"),
        pytest.param({"time_budget": 0.2}, 0.95, id="the upper bound is the 95th percentile"),
        pytest.param({"time_budget": 0.1}, 0.5, id="the estimate is the median"),
        pytest.param({"time_budget": 0.05}, 0.05, id="as far below as the bound is above"),
        pytest.param({"svg_budget": 2000}, 0.95, id="bytes"),
        pytest.param({"time_budget": 0.2, "svg_budget": 1000}, 0.475, id="both"),
        pytest.param({"time_budget": 0.4}, 361 / 362, id="twice as far above has the odds squared"),
        pytest.param({"time_budget": 1e9, "svg_budget": 1}, 0.0, id="hopeless"),
    ],
)
def test_the_chance_of_keeping_budgets(limits: dict[str, Any], expected: float) -> None:
    made = candidate(seconds=0.1, svg_bytes=1000, margin=2.0)
    assert chance(made, Constraints(**limits)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("budget", "expected"), [(0.1, 1.0), (0.0999, 0.0)])
def test_without_a_spread_an_estimate_is_certain(budget: float, expected: float) -> None:
    assert chance(candidate(seconds=0.1, margin=1.0), Constraints(time_budget=budget)) == expected


def test_where_nothing_surely_fits_chance_and_quality_are_weighed() -> None:
    likely = candidate("performance", quality=0.90, svg_bytes=9_000, margin=2.0)
    unlikely = candidate("regression", quality=0.99, svg_bytes=14_000, margin=2.0)
    ranked = order_constrained(prediction(unlikely, likely), Constraints(svg_budget=10_000), IDLE, POLICY)
    assert [c.method for _, c, _ in ranked] == ["performance", "regression"]


def test_time_that_is_granted_is_used() -> None:
    cheap = candidate("feature_mapping", quality=0.960, seconds=0.01)
    best = candidate("regression", quality=0.962, seconds=0.5)
    for limits, first in ((NO_LIMITS, "feature_mapping"), (Constraints(time_budget=1.0), "regression")):
        ranked = order_constrained(prediction(best, cheap), limits, IDLE, Policy())
        assert ranked[0][1].method == first


@pytest.mark.parametrize(("quality", "first"), [(0.96, "feature_mapping"), (0.999, "regression")])
def test_a_risk_is_taken_where_more_is_promised(quality: float, first: str) -> None:
    """With a chance of 95 % of keeping the budget, 0.96 promises less than a sure 0.93, 0.999 more."""
    sure = candidate("feature_mapping", quality=0.93, seconds=0.01)
    risky = candidate("regression", quality=quality, seconds=0.1, margin=2.0)
    ranked = order_constrained(prediction(risky, sure), Constraints(time_budget=0.2), IDLE, Policy())
    assert ranked[0][1].method == first


@pytest.mark.parametrize(("budget", "first"), [(0.3, "feature_mapping"), (0.6, "performance")])
def test_a_target_is_met_by_what_surely_keeps_the_budget(budget: float, first: str) -> None:
    """The cheaper one keeps 0.3 s with 99.1 %, 0.6 s with 99.95 %; the other promises more."""
    cheap = candidate("performance", quality=0.97, seconds=0.1, margin=2.0)
    sure = candidate("feature_mapping", quality=0.99, seconds=0.2)
    limits = Constraints(quality_target=0.95, time_budget=budget)
    assert order_constrained(prediction(cheap, sure), limits, IDLE, POLICY)[0][1].method == first


@pytest.mark.parametrize(
    ("quality", "target", "expected"),
    [
        pytest.param(0.9, None, 0.9, id="without a target the quality itself"),
        pytest.param(0.9, 0.9, (0.9 - 0.005) / 0.9, id="at the target half of the cases fall short"),
        pytest.param(0.99, 0.9, 1.0, id="far above it all of it, and no more"),
        pytest.param(0.45, 0.9, 0.5, id="far below it the quality's share"),
    ],
)
def test_the_share_of_a_target(quality: float, target: float | None, expected: float) -> None:
    made = candidate(quality=quality, error=0.01)
    assert share(made, Constraints(quality_target=target)) == pytest.approx(expected, abs=1e-5)


def test_a_sure_candidate_need_not_reach_beyond_the_target() -> None:
    """With 0.9 asked for, 0.99 with a chance of 97 % is no better than 0.95 for sure; without a target it is."""
    sure = candidate("feature_mapping", quality=0.95, seconds=0.1, margin=1.5)
    finer = candidate("regression", quality=0.995, seconds=0.2, margin=1.5)
    for target, first in ((0.94, "feature_mapping"), (None, "regression")):
        limits = Constraints(quality_target=target, time_budget=0.32)
        assert order_constrained(prediction(finer, sure), limits, IDLE, Policy(caution=3.0))[0][1].method == first


@pytest.mark.parametrize("costs", [{"svg_bytes": 200_000.0}, {"seconds": 2.0}], ids=["200 kB", "two seconds"])
@pytest.mark.parametrize(("thrift", "first"), [(0.0, "regression"), (0.009, "regression"), (0.011, "feature_mapping")])
def test_with_neither_target_nor_time_budget_quality_has_a_price(
    costs: dict[str, float], thrift: float, first: str
) -> None:
    cheap = candidate("feature_mapping", quality=0.96, svg_bytes=0.0, seconds=0.0)
    best = msgspec.structs.replace(candidate("regression", quality=0.98, svg_bytes=0.0, seconds=0.0), **costs)
    ranked = order_constrained(prediction(best, cheap), NO_LIMITS, IDLE, Policy(thrift=thrift))
    assert ranked[0][1].method == first


@pytest.mark.parametrize(("seconds", "first"), [(1.9, "regression"), (2.2, "feature_mapping")])
def test_quality_up_to_a_target_may_cost_four_times_as_much(seconds: float, first: str) -> None:
    cheap = candidate("feature_mapping", quality=0.945, error=0.0, svg_bytes=0.0, seconds=0.0)
    best = candidate("regression", quality=0.95, error=0.0, svg_bytes=0.0, seconds=seconds)
    ranked = order_constrained(prediction(best, cheap), Constraints(quality_target=0.97), IDLE, Policy())
    assert ranked[0][1].method == first


def test_nothing_is_paid_for_quality_beyond_a_target() -> None:
    cheap = candidate("feature_mapping", quality=0.97, error=0.01, seconds=0.0)
    best = candidate("regression", quality=0.99, error=0.01, seconds=0.5)
    limits = Constraints(quality_target=0.93)
    ranked = order_constrained(prediction(best, cheap), limits, IDLE, Policy(caution=7.0))
    assert ranked[0][1].method == "feature_mapping"


def test_bytes_that_are_granted_are_used() -> None:
    small = candidate("feature_mapping", quality=0.960, svg_bytes=1_000)
    best = candidate("regression", quality=0.962, svg_bytes=40_000)
    for limits, first in ((NO_LIMITS, "feature_mapping"), (Constraints(svg_budget=50_000), "regression")):
        assert order_constrained(prediction(best, small), limits, IDLE, Policy())[0][1].method == first


@pytest.mark.parametrize("limits", [NO_LIMITS, Constraints(time_budget=1.0)], ids=["unbounded", "bounded"])
def test_preferences_weigh_as_much_with_a_time_budget_as_without(limits: Constraints) -> None:
    wanted = msgspec.structs.replace(limits, preferred=frozenset({"regression"}))
    best = candidate("feature_mapping", quality=0.98)
    for quality, first in ((0.83, "feature_mapping"), (0.87, "regression")):
        ranked = order_constrained(prediction(candidate("regression", quality=quality), best), wanted, IDLE, Policy())
        assert ranked[0][1].method == first


@pytest.mark.parametrize(
    ("target", "caution", "expected"),
    [
        pytest.param(None, 0.0, False, id="no target to meet"),
        pytest.param(0.95, 0.0, True, id="just met"),
        pytest.param(0.951, 0.0, False, id="missed"),
        pytest.param(0.95, 1.0, False, id="met, but not by an expected error"),
        pytest.param(0.93, 1.0, True, id="met by more than an expected error"),
    ],
)
def test_meets_allows_for_the_predictors_own_error(target: float | None, caution: float, expected: bool) -> None:
    made = candidate(quality=0.95, error=0.01)
    assert meets(made, Constraints(quality_target=target), Policy(caution=caution)) is expected


def test_a_hosts_speed_acts_on_the_seconds_of_its_methods_and_on_nothing_else() -> None:
    slow = candidate("ppo", seconds=0.1, margin=2.0)
    made = prediction(FAST, slow, FINE, base=forest(ppo=0.5))
    got = at_speed(made, (1.0, 2.0, 0.5, 3.0))
    assert got.candidates == (
        FAST,
        msgspec.structs.replace(slow, seconds=slow.seconds * 3.0, seconds_high=slow.seconds_high * 3.0),
        msgspec.structs.replace(FINE, seconds=FINE.seconds * 0.5, seconds_high=FINE.seconds_high * 0.5),
    )
    assert msgspec.structs.replace(got, candidates=made.candidates) == made


@pytest.mark.parametrize(
    ("constraints", "host", "expected"),
    [
        pytest.param(NO_LIMITS, IDLE, 1.0, id="nothing said"),
        pytest.param(Constraints(preferred=frozenset({"regression"})), IDLE, 1.15, id="preferred"),
        pytest.param(Constraints(avoided=frozenset({"regression"})), IDLE, 0.85, id="avoided"),
        pytest.param(Constraints(preferred=frozenset({"ppo"})), IDLE, 1.0, id="another is preferred"),
        pytest.param(NO_LIMITS, Host(system_load=0.8), 1.0, id="load at the limit"),
        pytest.param(NO_LIMITS, BUSY, 0.7, id="load above it"),
        pytest.param(Constraints(preferred=frozenset({"regression"})), BUSY, 1.15 * 0.7, id="both"),
    ],
)
def test_factor(constraints: Constraints, host: Host, expected: float) -> None:
    assert factor("regression", constraints, host, POLICY) == pytest.approx(expected)


def test_load_leaves_cheap_methods_alone() -> None:
    assert [factor(m, NO_LIMITS, BUSY, POLICY) for m in ("performance", "feature_mapping")] == [1.0, 1.0]


def test_base_probabilities_are_the_forests_for_the_cell_of_the_request() -> None:
    rows = {"performance": tuple(i / 100 for i in range(16))}
    made = prediction(FAST, base=rows)  # type: ignore[arg-type]
    assert base_probabilities(made, NO_LIMITS) == {"performance": 0.15}
    assert base_probabilities(made, Constraints(quality_target=0.95, time_budget=0.1)) == {"performance": 0.05}


def test_base_probabilities_without_a_forest_follow_the_rule_table() -> None:
    made = base_probabilities(prediction(FAST), Constraints(time_budget=0.02))
    assert made == {"performance": 0.5, "feature_mapping": 0.25, "regression": 0.125, "ppo": 0.0625}


# The design's formula, worked by hand: 0.3 * base + 0.5 * quality + 0.2 * time.
@pytest.mark.parametrize(
    ("made", "base", "late", "limits", "expected"),
    [
        pytest.param(
            candidate("performance", 0.9), {"performance": 0.8}, False, {}, 0.3 * 0.8 + 0.5 * 0.9 + 0.2, id="chosen"
        ),
        pytest.param(
            candidate("regression", 0.9),
            {"performance": 0.8, "regression": 0.2},
            False,
            {},
            0.3 * 0.7 * 0.8 + 0.5 * 0.9 + 0.2,
            id="not chosen: 0.7 of the forest's confidence",
        ),
        pytest.param(
            candidate("performance", 0.9),
            {"performance": 0.8},
            True,
            {},
            0.3 * 0.8 + 0.5 * 0.9 * 0.8 + 0.2,
            id="late: quality counts 0.8",
        ),
        pytest.param(
            candidate("performance", 0.9),
            {"performance": 1.0},
            False,
            {"quality_target": 0.5},
            0.3 + 0.5 * 1.2 + 0.2,
            id="credit for quality ends at 1.2",
        ),
        pytest.param(
            candidate("performance", 0.9, seconds=0.4),
            {"performance": 1.0},
            False,
            {"time_budget": 0.2},
            0.3 + 0.5 * 0.9 + 0.2 * 0.5,
            id="twice the time: half the credit",
        ),
        pytest.param(
            candidate("performance", 0.9, seconds=100.0),
            {"performance": 1.0},
            False,
            {"time_budget": 0.2},
            0.3 + 0.5 * 0.9 + 0.2 * 0.1,
            id="credit for time ends at 0.1",
        ),
        pytest.param(
            candidate("performance", 0.9, svg_bytes=2000),
            {"performance": 1.0},
            False,
            {"svg_budget": 1000},
            (0.3 + 0.5 * 0.9 + 0.2) * 0.5,
            id="twice the bytes: half the score",
        ),
        pytest.param(candidate("performance", 0.9), {}, False, {}, 0.3 * 0.7 * 0.5 + 0.45 + 0.2, id="no base at all"),
        pytest.param(
            candidate("performance", 0.9, seconds=0.0),
            {"performance": 1.0},
            False,
            {"time_budget": 0.2},
            0.3 + 0.45 + 0.2,
            id="no time at all divides by nothing",
        ),
    ],
)
def test_weighted_score(made: Candidate, base: Any, late: bool, limits: dict[str, Any], expected: float) -> None:
    assert weighted_score(made, base, late, Constraints(**limits), POLICY) == pytest.approx(expected)


def names(ranked: list[Ranked]) -> list[str]:
    """Return which of LADDER's candidates stand where."""
    known = {FAST: "fast", MIDDLE: "middle", FINE: "fine"}
    return [known[c] for _, c, _ in ranked]


@pytest.mark.parametrize(
    ("constraints", "host", "expected"),
    [
        pytest.param({}, IDLE, "fine middle fast", id="no limits: best quality"),
        pytest.param({"quality_target": 0.9}, IDLE, "fast middle fine", id="all meet it: cheapest first"),
        pytest.param({"quality_target": 0.95}, IDLE, "middle fine fast", id="two meet it"),
        pytest.param({"quality_target": 0.99}, IDLE, "fine middle fast", id="none meets it: best quality"),
        pytest.param({"time_budget": 0.1}, IDLE, "middle fast fine", id="best within the time"),
        pytest.param({"svg_budget": 4000}, IDLE, "fast middle fine", id="best within the bytes"),
        pytest.param({"time_budget": 0.005}, IDLE, "fast middle fine", id="nothing fits: the fastest"),
        pytest.param({"svg_budget": 100}, IDLE, "fast middle fine", id="nothing fits: the smallest"),
        pytest.param(
            {"quality_target": 0.97, "time_budget": 0.1}, IDLE, "middle fast fine", id="only a slow one meets"
        ),
        pytest.param({"quality_target": 0.95}, BUSY, "middle fine fast", id="load keeps the groups"),
        pytest.param({}, BUSY, "middle fast fine", id="load: the costly one loses 30 %"),
        pytest.param({"preferred": {"performance"}}, IDLE, "fast fine middle", id="preference within a group"),
        pytest.param(
            {"preferred": {"regression"}, "time_budget": 0.1},
            IDLE,
            "middle fast fine",
            id="preference breaks no budget",
        ),
        pytest.param(
            {"preferred": {"performance"}, "quality_target": 0.95}, IDLE, "middle fine fast", id="nor a target"
        ),
        pytest.param({"avoided": {"regression"}}, IDLE, "middle fast fine", id="avoided within a group"),
        pytest.param(
            {"avoided": {"feature_mapping", "performance"}, "time_budget": 0.005},
            IDLE,
            "fast middle fine",
            id="avoided and nothing fits",
        ),
    ],
)
def test_order_constrained(constraints: dict[str, Any], host: Host, expected: str) -> None:
    limits: dict[str, Any] = {k: frozenset(v) if isinstance(v, set) else v for k, v in constraints.items()}
    ranked = order_constrained(prediction(*LADDER), Constraints(**limits), host, POLICY)
    assert names(ranked) == expected.split()


@pytest.mark.parametrize(
    ("constraints", "base", "expected"),
    [
        pytest.param({}, {"regression": 0.6}, "fine", id="forest and quality agree"),
        pytest.param({}, {"performance": 1.0}, "fast", id="a sure forest outweighs 8 points of quality"),
        pytest.param({"time_budget": 0.01}, {"regression": 0.3}, "fast", id="time weighs"),
        pytest.param({"svg_budget": 3000}, {"regression": 0.6}, "fast", id="bytes weigh"),
        pytest.param({"preferred": frozenset({"feature_mapping"})}, {"regression": 0.3}, "middle", id="preferred"),
        pytest.param({"avoided": frozenset({"regression"})}, {"regression": 0.3}, "middle", id="avoided"),
    ],
)
def test_order_weighted(constraints: dict[str, Any], base: dict[str, float], expected: str) -> None:
    made = prediction(*LADDER, base=forest(**base))
    assert names(order_weighted(made, Constraints(**constraints), IDLE, POLICY))[0] == expected


def test_order_weighted_under_load_avoids_the_costly() -> None:
    made = prediction(*LADDER, base=forest(regression=0.6))
    assert names(order_weighted(made, NO_LIMITS, BUSY, POLICY))[0] == "middle"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(candidate(seconds=0.01), candidate(seconds=0.02), id="less time"),
        pytest.param(candidate(svg_bytes=10), candidate(svg_bytes=20), id="fewer bytes"),
        pytest.param(candidate(upscale=1), candidate(upscale=2), id="then the plan"),
        pytest.param(candidate("feature_mapping"), candidate("regression"), id="then the cheaper method"),
    ],
)
@pytest.mark.parametrize("order", [order_weighted, order_constrained])
def test_ties_break_the_same_way_in_any_order(order: Any, left: Candidate, right: Candidate) -> None:
    base = forest(performance=0.5)
    for pair in ((left, right), (right, left)):
        assert order(prediction(*pair, base=base), NO_LIMITS, IDLE, POLICY)[0][1] == left


def test_order_base_takes_the_likeliest_method_and_its_finest_plan_that_fits() -> None:
    quick, slow = candidate("regression", seconds=0.01), candidate("regression", seconds=0.2, upscale=3)
    made = Prediction(candidates=(FAST, quick, slow), base=forest(regression=0.7, performance=0.2))
    assert order_base(made, NO_LIMITS, IDLE, POLICY) == [(0.7, slow, 1.0), (0.7, quick, 1.0), (0.2, FAST, 1.0)]
    assert order_base(made, Constraints(time_budget=0.1), IDLE, POLICY)[0][1] == quick


def test_order_base_puts_a_method_that_the_forest_does_not_know_last() -> None:
    base = {"regression": (0.2,) * 16, "performance": (0.1,) * 16}
    made = Prediction(candidates=LADDER, base=base)  # type: ignore[arg-type]
    assert order_base(made, NO_LIMITS, IDLE, POLICY) == [(0.2, FINE, 1.0), (0.1, FAST, 1.0), (0.0, MIDDLE, 1.0)]


def test_order_base_when_nothing_fits_takes_the_nearest() -> None:
    made = Prediction(candidates=(FINE, MIDDLE, FAST), base=forest(regression=0.7))
    ranked = order_base(made, Constraints(time_budget=0.001), IDLE, POLICY)
    assert names(ranked) == ["fast", "middle", "fine"]


def test_order_base_listens_to_preferences_and_load() -> None:
    made = Prediction(candidates=LADDER, base=forest(regression=0.4, feature_mapping=0.36))
    assert names(order_base(made, NO_LIMITS, IDLE, POLICY))[0] == "fine"
    assert names(order_base(made, Constraints(preferred=frozenset({"feature_mapping"})), IDLE, POLICY))[0] == "middle"
    assert names(order_base(made, NO_LIMITS, BUSY, POLICY))[0] == "middle"


def test_weights_are_the_policys() -> None:
    only_time = Policy(base_weight=0.0, quality_weight=0.0, time_weight=1.0)
    limits = Constraints(time_budget=0.02)
    ranked = order_weighted(prediction(*LADDER), limits, IDLE, only_time)
    assert names(ranked)[0] == "fast"
    assert msgspec.structs.replace(only_time, name="weighted").time_weight == 1.0
