"""The decision: same arguments, same answer, and the answer says why."""

import itertools
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import (
    METHODS,
    Candidate,
    Constraints,
    ExportInfo,
    Host,
    Plan,
    Policy,
    PolicyName,
    Prediction,
    RoutingDecision,
    base_candidate,
    decide,
    features_from,
)
from router._scoring import BOUND, CERTAIN, RISKED, at_speed, chance
from router.errors import InvalidConstraint, RouterError
from tests.router.builders import FAST, FINE, LADDER, MIDDLE, candidate, forest, prediction

EXPORT = ExportInfo(name="default", version="1", digest="ab" * 32, metrics={"pearson": 0.9})


@pytest.mark.parametrize(
    ("limits", "chosen"),
    [
        pytest.param({}, FINE, id="best quality"),
        pytest.param({"quality_target": 0.95}, MIDDLE, id="cheapest that meets the target"),
        pytest.param({"quality_target": 0.999, "time_budget": 0.1}, MIDDLE, id="best within the budget"),
        pytest.param({"time_budget": 0.001}, FAST, id="the fastest"),
        pytest.param({"svg_budget": 9000}, MIDDLE, id="best within the bytes"),
    ],
)
def test_constrained_is_the_default(limits: dict[str, Any], chosen: Candidate) -> None:
    made = decide(prediction(*LADDER), Constraints(**limits))
    assert (made.primary_method, made.plan, made.policy) == (chosen.method, chosen.plan, "constrained")
    assert made.estimated_quality == chosen.quality
    assert (made.estimated_seconds, made.estimated_svg_bytes) == (chosen.seconds, chosen.svg_bytes)


def test_a_request_may_name_its_policy() -> None:
    made = prediction(*LADDER, base=forest(performance=1.0))
    assert decide(made, Constraints(policy="weighted")).primary_method == "performance"
    assert decide(made, Constraints(), policy=Policy(name="weighted")).policy == "weighted"
    assert decide(made, Constraints(policy="constrained"), policy=Policy(name="weighted")).policy == "constrained"


def test_fallbacks_are_the_other_methods_in_order_without_repeats() -> None:
    ladder = (*LADDER, candidate("feature_mapping", 0.97, 0.09, upscale=3), candidate("ppo", 0.5))
    made = decide(prediction(*ladder), Constraints(), policy=Policy(thrift=0.0))
    assert made.fallback_methods == ("feature_mapping", "performance", "ppo")


def test_predicted_qualities_are_each_methods_best_that_fits() -> None:
    ladder = (
        candidate("performance", 0.9, 0.01),
        candidate("regression", 0.93, 0.02),
        candidate("regression", 0.97, 0.08, upscale=2),
        candidate("regression", 0.99, 0.30, upscale=3),
        candidate("ppo", 0.99, 1.0),
        candidate("ppo", 0.98, 0.5),
    )
    made = decide(prediction(*ladder), Constraints(time_budget=0.1))
    assert made.predicted_qualities == {"performance": 0.9, "regression": 0.97, "ppo": 0.98}


@pytest.mark.parametrize(
    ("quality", "target", "error", "expected"),
    [
        pytest.param(0.95, 0.95, 0.01, 0.5, id="on the target: even odds"),
        pytest.param(0.96, 0.95, 0.01, 1 - 0.5 / 2.718281828, id="one error above"),
        pytest.param(0.94, 0.95, 0.01, 0.5 / 2.718281828, id="one error below"),
        pytest.param(0.96, 0.95, 0.0, 1.0, id="a predictor without error"),
        pytest.param(0.10, 0.95, 0.0, 0.0, id="and below"),
        pytest.param(0.90, None, 0.02, 0.98, id="no target"),
        pytest.param(0.90, None, 1.5, 0.0, id="no target and no idea"),
    ],
)
def test_quality_confidence(quality: float, target: float | None, error: float, expected: float) -> None:
    made = decide(prediction(candidate(quality=quality, error=error)), Constraints(quality_target=target))
    assert made.quality_confidence == pytest.approx(expected)
    assert made.confidence == pytest.approx(expected)


def test_weighted_confidence_is_the_score_and_at_most_one() -> None:
    made = prediction(candidate(quality=1.0), base=forest(performance=1.0))
    weighted = decide(made, Constraints(policy="weighted", quality_target=0.5))
    assert weighted.confidence == 1.0


def test_what_was_known_is_passed_on() -> None:
    made = Prediction(candidates=LADDER, lane="torchscript", export=EXPORT, prediction_seconds=0.002)
    host = Host(system_load=0.4, resource_availability=0.6, now=12.5)
    got = decide(made, Constraints(), host)
    assert (got.lane, got.export, got.prediction_seconds) == ("torchscript", EXPORT, 0.002)
    assert (got.system_load, got.resource_availability, got.decided_at) == (0.4, 0.6, 12.5)
    assert (got.colab_trained, got.local_inference, got.fallback_used, got.fallback_reason) == (True, True, False, "")


@pytest.mark.parametrize("policy", get_args(PolicyName))
@pytest.mark.parametrize("lane", ["onnx", "base"])
@pytest.mark.parametrize(
    ("speed", "chosen"),
    [
        pytest.param((), FINE, id="nothing known"),
        pytest.param((1.0, 1.0, 1.0, 1.0), FINE, id="as predicted"),
        pytest.param((1.0, 1.0, 3.0, 1.0), MIDDLE, id="one method slower"),
        pytest.param((9.0, 4.0, 4.0, 1.0), FAST, id="all slower"),
        pytest.param((0.5, 0.5, 0.5, 0.5), FINE, id="faster"),
    ],
)
def test_budgets_hold_for_the_seconds_of_this_host(
    speed: tuple[float, ...], chosen: Candidate, policy: PolicyName, lane: Any
) -> None:
    """FAST takes 10 ms, MIDDLE 60, FINE 150, and 200 are allowed."""
    base = forest(performance=0.2, feature_mapping=0.3, regression=0.5)
    made = Prediction(candidates=LADDER, lane=lane, base=base)
    weights = Policy(name=policy, base_weight=0.0, quality_weight=0.1, time_weight=0.9)
    got = decide(made, Constraints(time_budget=0.2), Host(speed=speed), weights)
    assert got.primary_method == chosen.method
    ratio = speed[METHODS.index(chosen.method)] if speed else 1.0
    assert got.estimated_seconds == chosen.seconds * ratio


def test_a_faster_host_affords_more_and_says_so() -> None:
    got = decide(prediction(*LADDER), Constraints(time_budget=0.1), Host(speed=(0.5,) * 4))
    assert got.primary_method == "regression"
    assert "in 75 ms" in got.reasoning
    assert got.predicted_qualities["regression"] == FINE.quality


@pytest.mark.parametrize(
    ("limits", "policy", "sentence"),
    [
        pytest.param(
            {},
            Policy(),
            "regression at 3x is predicted to reach 0.980 in 150 ms and 15.0 kB: the best quality of 3 candidates",
            id="best",
        ),
        pytest.param(
            {"quality_target": 0.95, "time_budget": 0.1},
            Policy(),
            "feature_mapping at 2x is predicted to reach 0.960 in 60 ms and 8.0 kB: "
            "the cheapest that meets 0.950 within 100 ms of 3 candidates",
            id="target met within a budget",
        ),
        pytest.param(
            {"quality_target": 0.99, "svg_budget": 9000},
            Policy(),
            "feature_mapping at 2x is predicted to reach 0.960 in 60 ms and 8.0 kB: "
            "the best quality within 9.0 kB (0.990 is out of reach) of 3 candidates",
            id="target missed",
        ),
        pytest.param(
            {"quality_target": 0.975, "time_budget": 2.0},
            Policy(caution=1.0),
            "regression at 3x is predicted to reach 0.980 in 150 ms and 15.0 kB: "
            "the best quality within 2.0 s (0.975 is not certain) of 3 candidates",
            id="target met, but not by the policy's caution",
        ),
        pytest.param(
            {"time_budget": 0.001, "svg_budget": 100},
            Policy(),
            "performance at 1x is predicted to reach 0.900 in 10 ms and 3.0 kB: "
            "nothing surely fits within 1 ms and 0.1 kB, so the nearest to it of 3 candidates",
            id="nothing fits",
        ),
        pytest.param(
            {"policy": "weighted"},
            Policy(),
            "regression at 3x is predicted to reach 0.980 in 150 ms and 15.0 kB: "
            "the best weighted score of 3 candidates",
            id="weighted",
        ),
    ],
)
def test_reasoning_says_the_numbers(limits: dict[str, Any], policy: Policy, sentence: str) -> None:
    made = prediction(*LADDER, base=forest(regression=0.5))
    assert decide(made, Constraints(**limits), policy=policy).reasoning == sentence


@pytest.mark.parametrize(
    ("budget", "verdict"),
    [
        pytest.param(0.2, "promises most within 200 ms, with a chance of 95%", id="a little risk"),
        pytest.param(0.3, "the best quality within 300 ms", id="hardly any"),
        pytest.param(0.11, "the best of quality and safety within 110 ms", id="not worth it"),
    ],
)
def test_reasoning_says_what_is_risked(budget: float, verdict: str) -> None:
    sure = candidate("performance", quality=0.93, seconds=0.01)
    risky = candidate("regression", quality=0.999, seconds=0.1, margin=2.0)
    better = candidate("feature_mapping", quality=0.931, seconds=0.05, margin=1.6)
    got = decide(prediction(sure, better, risky), Constraints(time_budget=budget))
    assert f": {verdict} of 3 candidates" in got.reasoning


def test_a_target_is_not_said_to_be_met_where_the_budget_may_break() -> None:
    likely = candidate("performance", quality=0.97, seconds=0.1, margin=2.0)  # keeps 0.3 s with 99.1 %
    got = decide(prediction(likely), Constraints(quality_target=0.95, time_budget=0.3))
    assert ": the best quality within 300 ms (0.950 is not certain) of 1 candidate" in got.reasoning


@pytest.mark.parametrize("policy", get_args(PolicyName))
@pytest.mark.parametrize(
    ("base", "reason", "sentence"),
    [
        pytest.param(
            forest(regression=0.8),
            "the prediction took longer than 50 ms",
            "fallback to base routing (the prediction took longer than 50 ms): the forest picks regression at 3x, ",
            id="forest",
        ),
        pytest.param(
            {},
            "",
            "fallback to base routing (no predictor serves): the rule table picks feature_mapping at 2x, ",
            id="rule table",
        ),
    ],
)
def test_base_lane(policy: PolicyName, base: Any, reason: str, sentence: str) -> None:
    features = features_from({"image_area": 65_536})
    candidates = tuple(base_candidate(c.method, c.plan, features) for c in LADDER)
    made = Prediction(candidates=candidates, base=base, fallback_reason=reason)
    got = decide(made, Constraints(policy=policy))
    assert got.reasoning.startswith(sentence + "quality taken as 0.85, about ")
    assert (got.lane, got.fallback_used, got.fallback_reason) == ("base", True, reason)
    assert (got.colab_trained, got.local_inference) == (False, False)
    assert (got.predicted_qualities, got.estimated_quality) == ({}, 0.85)
    assert got.confidence == (0.8 if base else 0.5)


def test_base_lane_keeps_the_budgets() -> None:
    features = features_from({"image_area": 65_536})
    plans = (Plan(upscale=1), Plan(upscale=2), Plan(upscale=3))
    candidates = tuple(base_candidate("regression", p, features) for p in plans)
    made = Prediction(candidates=candidates, base=forest(regression=0.9))
    limit = candidates[1].seconds_high
    assert decide(made, Constraints(time_budget=limit)).plan.upscale == 2
    assert decide(made, Constraints()).plan.upscale == 3


def test_a_late_prediction_trusts_its_qualities_less() -> None:
    base = forest(performance=0.9)
    rough, fine = candidate("performance", 0.80), candidate("regression", 0.99, 0.05)
    prompt = Prediction(candidates=(rough, fine), lane="onnx", base=base)
    late = msgspec.structs.replace(prompt, late=True)
    weighted = Constraints(policy="weighted")
    assert decide(prompt, weighted).primary_method == "regression"
    assert decide(late, weighted).primary_method == "performance"


@pytest.mark.parametrize("policy", get_args(PolicyName))
def test_a_request_may_name_its_method(policy: PolicyName) -> None:
    made = prediction(*LADDER, base=forest(performance=1.0))
    got = decide(made, Constraints(method="feature_mapping", policy=policy, time_budget=0.001))
    assert (got.primary_method, got.fallback_methods) == ("feature_mapping", ())
    assert got.predicted_qualities == {"feature_mapping": MIDDLE.quality}
    assert got.reasoning.endswith("of 1 candidate")


def test_a_named_method_that_offers_no_plan_is_an_error_that_lists_those_that_do() -> None:
    with pytest.raises(InvalidConstraint, match="method is 'ppo'; give one that the export offers: performance, "):
        decide(prediction(*LADDER), Constraints(method="ppo"))


def test_no_candidates_is_an_error_that_says_so() -> None:
    with pytest.raises(RouterError, match="holds no candidate"):
        decide(Prediction(candidates=()), Constraints())


def test_decisions_survive_json() -> None:
    made = decide(Prediction(candidates=LADDER, lane="onnx", export=EXPORT), Constraints())
    assert msgspec.json.decode(msgspec.json.encode(made), type=RoutingDecision) == made


# ------------------------------------------------------------------ whatever is asked, these hold
UNIT = st.floats(0, 1)
SECONDS, BYTES = st.floats(1e-4, 30), st.floats(100, 1e7)


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    seconds, size = draw(SECONDS), draw(BYTES)
    return Candidate(
        method=draw(st.sampled_from(METHODS)),
        plan=Plan(upscale=draw(st.integers(1, 4)), color_precision=draw(st.integers(1, 8))),
        quality=draw(UNIT),
        quality_error=draw(st.floats(0, 0.2)),
        seconds=seconds,
        seconds_high=seconds * draw(st.floats(1, 4)),
        svg_bytes=size,
        svg_bytes_high=size * draw(st.floats(1, 4)),
    )


METHOD_SETS = st.sets(st.sampled_from(METHODS), max_size=2)
ROWS = st.tuples(*[UNIT] * 16)
PREDICTIONS = st.builds(
    Prediction,
    candidates=st.lists(candidates(), min_size=1, max_size=8, unique=True).map(tuple),
    base=st.just({}) | st.fixed_dictionaries(dict.fromkeys(METHODS, ROWS)),
    lane=st.sampled_from(("onnx", "torchscript", "base")),
    late=st.booleans(),
)
SPEEDS = st.just(()) | st.tuples(*[st.floats(1 / 8, 8)] * 4)
HOSTS = st.builds(Host, system_load=UNIT, resource_availability=UNIT, now=st.floats(0, 2e9), speed=SPEEDS)
POLICIES = st.builds(Policy, name=st.sampled_from(get_args(PolicyName)), caution=st.floats(0, 3))


@st.composite
def requests(draw: st.DrawFn) -> Constraints:
    preferred = draw(METHOD_SETS)
    return Constraints(
        quality_target=draw(st.none() | st.floats(0, 1, exclude_min=True)),
        time_budget=draw(st.none() | st.floats(1e-6, 100)),
        svg_budget=draw(st.none() | st.integers(1, 10**8)),
        preferred=frozenset(preferred),
        avoided=frozenset(draw(METHOD_SETS) - preferred),
        policy=draw(st.none() | st.sampled_from(get_args(PolicyName))),
    )


def here(made: Prediction, host: Host) -> tuple[Candidate, ...]:
    """Return the candidates with the seconds that they take on a host."""
    return at_speed(made, host.speed or (1.0,) * 4).candidates


@given(PREDICTIONS, requests(), HOSTS, POLICIES)
def test_every_valid_request_gets_one_valid_decision(
    made: Prediction, request: Constraints, host: Host, policy: Policy
) -> None:
    got = decide(made, request, host, policy)
    assert got == decide(made, request, host, policy)
    chosen = [c for c in here(made, host) if (c.method, c.plan) == (got.primary_method, got.plan)]
    assert got.estimated_seconds in [c.seconds for c in chosen]
    assert got.primary_method not in got.fallback_methods
    assert len(set(got.fallback_methods)) == len(got.fallback_methods) <= 3
    assert all(0 <= share <= 1 for share in (got.confidence, got.quality_confidence, got.estimated_quality))
    assert got.reasoning
    assert "\n" not in got.reasoning


@given(PREDICTIONS, requests(), HOSTS, POLICIES)
def test_constrained_and_base_likely_keep_the_budgets_whenever_any_candidate_can(
    made: Prediction, request: Constraints, host: Host, policy: Policy
) -> None:
    got = decide(made, msgspec.structs.replace(request, policy="constrained"), host, policy)
    chosen = [c for c in here(made, host) if (c.method, c.plan) == (got.primary_method, got.plan)]
    if any(chance(c, request) >= CERTAIN for c in here(made, host)):
        assert any(chance(c, request) >= RISKED for c in chosen)
    if made.lane == "base" and any(chance(c, request) >= BOUND for c in here(made, host)):
        assert any(chance(c, request) >= BOUND for c in chosen)


@given(PREDICTIONS, requests(), HOSTS, POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_candidates_changes_nothing(
    made: Prediction, request: Constraints, host: Host, policy: Policy, random: Any
) -> None:
    shuffled = list(made.candidates)
    random.shuffle(shuffled)
    other = msgspec.structs.replace(made, candidates=tuple(shuffled))
    assert decide(other, request, host, policy) == decide(made, request, host, policy)


@given(PREDICTIONS, HOSTS, POLICIES)
def test_a_longer_budget_never_costs_predicted_quality(made: Prediction, host: Host, policy: Policy) -> None:
    """Without preferences or load, constrained routing makes use of time it is given."""
    predicted = msgspec.structs.replace(made, lane="onnx")
    idle = msgspec.structs.replace(host, system_load=0.0)
    budgets = [max(c.seconds_high for c in here(made, host)) * f for f in (1.0, 0.5)]
    long, short = (decide(predicted, Constraints(time_budget=b, policy="constrained"), idle, policy) for b in budgets)
    fitting = [c for c in here(made, host) if c.seconds_high <= budgets[1]]
    assert not fitting or long.estimated_quality >= short.estimated_quality


def test_equal_plans_are_told_apart_by_method() -> None:
    same = [candidate(m, upscale=2) for m in ("ppo", "regression", "feature_mapping", "performance")]
    for order in itertools.permutations(same):
        assert decide(prediction(*order), Constraints()).primary_method == "performance"
