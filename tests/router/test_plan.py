"""Plans outside VTracer's bounds cannot exist."""

import msgspec
import pytest

from router import PLAN_BOUNDS, VTRACER_DEFAULTS, Plan
from router.errors import InvalidPlan

EDGES = [(name, bound) for name, bounds in PLAN_BOUNDS.items() for bound in bounds]


@pytest.mark.parametrize(("name", "value"), EDGES)
def test_bounds_are_inclusive(name: str, value: float) -> None:
    assert getattr(msgspec.structs.replace(Plan(), **{name: value}), name) == value


@pytest.mark.parametrize(("name", "low", "high"), [(name, *bounds) for name, bounds in PLAN_BOUNDS.items()])
def test_beyond_the_bounds_is_refused_by_name(name: str, low: float, high: float) -> None:
    for value in (low - 1, high + 1, float("nan")):
        with pytest.raises(InvalidPlan, match=f"{name} is .*give a value from {low} to {high}") as caught:
            msgspec.structs.replace(Plan(), **{name: value})
        assert caught.value.parameter == name


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"mode": "curves"}', id="unknown mode"),
        pytest.param('{"matte": "soft"}', id="unknown matte"),
        pytest.param('{"upscale": 1.5}', id="upscale is no whole number"),
        pytest.param('{"upscale": 9}', id="upscale too large"),
        pytest.param('{"corner": 60}', id="unknown parameter"),
    ],
)
def test_decoding_refuses(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Plan)


def test_survives_json() -> None:
    plan = Plan(upscale=3, matte="bands", length_threshold=3.5)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_every_numeric_parameter_has_bounds() -> None:
    numeric = {f.name for f in msgspec.structs.fields(Plan) if f.type in (int, float)}
    assert numeric == set(PLAN_BOUNDS)


def test_vtracer_defaults_leave_the_image_untouched() -> None:
    plan = VTRACER_DEFAULTS
    assert (plan.upscale, plan.matte, plan.palette, plan.denoise) == (1, "none", 0, 0)


def test_plans_have_an_order() -> None:
    plans = [Plan(upscale=2), Plan(mode="spline"), Plan(upscale=2, mode="spline"), Plan()]
    assert [plans.index(p) for p in sorted(plans)] == [3, 1, 0, 2]
