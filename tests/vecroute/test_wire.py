"""What travels is what the router said, in camelCase, and nothing impossible gets through."""

import math
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import Candidate, Constraints, Features, Plan, RoutingDecision
from router._plan import PLAN_BOUNDS
from tests.vecroute.builders import DECISION, EXPORT, PLAN
from vecroute import errors
from vecroute._wire import (
    PredictReply,
    PredictRequest,
    ReportRequest,
    RouteReply,
    RouteRequest,
    WireDecision,
    WirePlan,
    candidate_to_wire,
    check_image_given,
    check_report,
    decision_from_wire,
    decision_to_wire,
    plan_from_wire,
    plan_to_wire,
    request_constraints,
    request_features,
    request_hash,
    request_method,
)

HASH = "0123456789abcdef0123456789abcdef"
REPORT = ReportRequest(method="ppo", quality=0.9, seconds=0.1, svg_bytes=10, predicted_quality=0.8)


def test_the_plans_twin_has_the_same_fields_types_and_defaults() -> None:
    def told(kind: type[msgspec.Struct]) -> list[tuple[str, Any, Any]]:
        return [(field.name, field.type, field.default) for field in msgspec.structs.fields(kind)]

    assert told(WirePlan) == told(Plan)


def test_the_decisions_twin_differs_in_the_plan_only() -> None:
    own = {field.name: field.type for field in msgspec.structs.fields(RoutingDecision)}
    twin = {field.name: field.type for field in msgspec.structs.fields(WireDecision)}
    assert twin == own | {"plan": msgspec.Raw}


def test_everything_on_the_wire_is_camel_case() -> None:
    text = msgspec.json.encode(RouteReply(decision=decision_to_wire(DECISION), hash=HASH)).decode()
    decision = msgspec.json.decode(text)["decision"]
    assert not [key for key in [*decision, *decision["plan"], *decision["export"]] if "_" in key]
    assert decision["plan"]["colorPrecision"] == 7
    assert decision["predictedQualities"] == {"performance": 0.94, "feature_mapping": 0.971}


def travelled(decision: RoutingDecision) -> RoutingDecision:
    text = msgspec.json.encode(decision_to_wire(decision))
    return decision_from_wire(msgspec.json.decode(text, type=WireDecision))


def test_a_decision_survives_the_way_in_the_routers_own_types() -> None:
    got = travelled(DECISION)
    assert got == DECISION
    assert (type(got), type(got.plan)) == (RoutingDecision, Plan)
    bare = msgspec.structs.replace(DECISION, export=None, predicted_qualities={}, fallback_methods=())
    assert travelled(bare) == bare


def plans() -> st.SearchStrategy[Plan]:
    numbers: dict[str, st.SearchStrategy[Any]] = {
        name: st.floats(low, high) if name == "length_threshold" else st.integers(int(low), int(high))
        for name, (low, high) in PLAN_BOUNDS.items()
    }
    return st.builds(
        Plan,
        matte=st.sampled_from(["none", "binary", "bands"]),
        mode=st.sampled_from(["polygon", "spline", "none"]),
        hierarchical=st.sampled_from(["stacked", "cutout"]),
        colormode=st.sampled_from(["color", "binary"]),
        **numbers,
    )


@given(plans())
def test_any_plan_survives_the_way(plan: Plan) -> None:
    got = plan_from_wire(msgspec.json.decode(msgspec.json.encode(plan_to_wire(plan)), type=WirePlan))
    assert got == plan
    assert type(got) is Plan


@pytest.mark.parametrize("field", ["estimated_quality", "confidence", "prediction_seconds", "estimated_svg_bytes"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_decision_with_a_number_that_json_cannot_say_is_refused(field: str, number: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        decision_to_wire(msgspec.structs.replace(DECISION, **{field: number}))


def test_a_predicted_quality_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        decision_to_wire(msgspec.structs.replace(DECISION, predicted_qualities={"ppo": math.nan}))


def test_a_plan_outside_its_bounds_is_an_invalid_value() -> None:
    with pytest.raises(errors.InvalidValue, match="from 1 to 8") as caught:
        plan_from_wire(WirePlan(color_precision=9))
    assert caught.value.parameter == "plan.colorPrecision"


@dataclass
class PlanLike:
    """Has the fields of a plan, one of them of a wrong type."""

    upscale: str = "2"


def test_only_broken_bounds_are_the_callers_fault() -> None:
    with pytest.raises(msgspec.ValidationError):
        plan_from_wire(PlanLike())  # type: ignore[arg-type]


def test_a_candidate_answers_predict() -> None:
    candidate = Candidate(
        method="ppo",
        plan=PLAN,
        quality=0.9,
        quality_error=0.1,
        seconds=1,
        seconds_high=2,
        svg_bytes=3,
        svg_bytes_high=4,
    )
    assert candidate_to_wire(candidate, "onnx", EXPORT) == PredictReply(
        quality=0.9, quality_error=0.1, seconds=1, svg_bytes=3, lane="onnx", export=EXPORT
    )


# ------------------------------------------------------------------ requests


def test_constraints_of_a_request() -> None:
    request = RouteRequest(quality_target=0.9, preferred_methods=("ppo",), avoided_methods=("performance",))
    expected = Constraints(quality_target=0.9, preferred=frozenset({"ppo"}), avoided=frozenset({"performance"}))
    assert request_constraints(request) == expected
    assert request_constraints(RouteRequest()) == Constraints()


@pytest.mark.parametrize(
    ("request_", "parameter"),
    [
        pytest.param(RouteRequest(quality_target=0.0), "qualityTarget", id="target"),
        pytest.param(RouteRequest(time_budget=-1.0), "timeBudget", id="time"),
        pytest.param(RouteRequest(svg_budget=0), "svgBudget", id="bytes"),
        pytest.param(RouteRequest(policy="fair"), "policy", id="policy"),
        pytest.param(RouteRequest(preferred_methods=("magic",)), "preferredMethods", id="preferred"),
        pytest.param(RouteRequest(avoided_methods=("magic",)), "avoidedMethods", id="avoided"),
    ],
)
def test_constraints_that_make_no_sense(request_: RouteRequest, parameter: str) -> None:
    with pytest.raises(errors.InvalidValue) as caught:
        request_constraints(request_)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        pytest.param(RouteRequest(), "no image given", id="none"),
        pytest.param(RouteRequest(content=b"x", hash=HASH), "content and hash given", id="two"),
        pytest.param(RouteRequest(file_descriptor=0, features={}), "fileDescriptor and features given", id="others"),
        pytest.param(PredictRequest(method="ppo", plan=WirePlan()), "no image given", id="predict"),
    ],
)
def test_the_image_is_given_exactly_once(request_: RouteRequest | PredictRequest, said: str) -> None:
    with pytest.raises(errors.InvalidValue, match=said):
        check_image_given(request_)


@pytest.mark.parametrize(
    "request_",
    [
        RouteRequest(content=b""),
        RouteRequest(file_descriptor=0),
        RouteRequest(hash=HASH),
        RouteRequest(features={"entropy": 1.0}),
    ],
)
def test_each_way_of_giving_the_image_will_do(request_: RouteRequest) -> None:
    check_image_given(request_)


def test_a_hash() -> None:
    assert request_hash(HASH) == bytes.fromhex(HASH)
    assert request_hash(HASH.upper()) == bytes.fromhex(HASH)


@pytest.mark.parametrize("text", ["", "01", HASH + "00", HASH[:-1] + "g", " " + HASH[1:], HASH[:30] + " 1"])
def test_what_is_no_hash(text: str) -> None:
    with pytest.raises(errors.InvalidValue, match="32 hexadecimal digits"):
        request_hash(text)


def test_features() -> None:
    assert request_features({"entropy": 1.5, "edgeDensity": 0.1}) == Features(entropy=1.5, edge_density=0.1)
    with pytest.raises(errors.InvalidValue) as caught:
        request_features({"beauty": 1.0})
    assert caught.value.parameter == "features"


def test_methods_by_name() -> None:
    assert request_method("ppo") == "ppo"
    with pytest.raises(errors.InvalidValue, match="give one of performance"):
        request_method("magic")


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        pytest.param({"method": "magic"}, "method", id="method"),
        pytest.param({"quality": 1.1}, "quality", id="quality"),
        pytest.param({"quality": math.nan}, "quality", id="NaN"),
        pytest.param({"predicted_quality": -0.1}, "predictedQuality", id="predicted"),
        pytest.param({"seconds": -1.0}, "seconds", id="seconds"),
        pytest.param({"seconds": math.inf}, "seconds", id="endless"),
        pytest.param({"svg_bytes": -1}, "svgBytes", id="bytes"),
        pytest.param({"predicted_quality": math.nan}, "predictedQuality", id="predicted NaN"),
        pytest.param({"seconds": math.nan}, "seconds", id="seconds NaN"),
        pytest.param({"predicted_seconds": 0.0}, "predictedSeconds", id="no time predicted"),
        pytest.param({"predicted_seconds": -0.1}, "predictedSeconds", id="less than none"),
        pytest.param({"predicted_seconds": math.inf}, "predictedSeconds", id="endless predicted"),
        pytest.param({"predicted_seconds": math.nan}, "predictedSeconds", id="predicted seconds NaN"),
        pytest.param({"export_digest": "a" * 1000}, "exportDigest", id="digest"),
    ],
)
def test_a_report_that_cannot_be_true(change: dict[str, Any], parameter: str) -> None:
    check_report(REPORT)
    with pytest.raises(errors.InvalidValue) as caught:
        check_report(msgspec.structs.replace(REPORT, **change))
    assert caught.value.parameter == parameter
