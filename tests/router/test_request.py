"""Requests and policies that make no sense cannot exist."""

from typing import Any

import pytest

from router import Constraints, Host, Policy
from router.errors import InvalidConstraint

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        pytest.param({"quality_target": 0.0}, "quality_target", id="target zero"),
        pytest.param({"quality_target": -0.5}, "quality_target", id="target below zero"),
        pytest.param({"quality_target": 1.01}, "quality_target", id="target above one"),
        pytest.param({"quality_target": NAN}, "quality_target", id="target not a number"),
        pytest.param({"time_budget": 0.0}, "time_budget", id="no time"),
        pytest.param({"time_budget": -1.0}, "time_budget", id="time below zero"),
        pytest.param({"time_budget": NAN}, "time_budget", id="time not a number"),
        pytest.param({"time_budget": INF}, "time_budget", id="endless time is said by leaving it out"),
        pytest.param({"svg_budget": 0}, "svg_budget", id="no bytes"),
        pytest.param({"svg_budget": -5}, "svg_budget", id="bytes below zero"),
        pytest.param({"svg_budget": NAN}, "svg_budget", id="bytes not a number"),
        pytest.param({"policy": "random"}, "policy", id="unknown policy"),
        pytest.param({"policy": ""}, "policy", id="empty policy"),
        pytest.param({"method": "magic"}, "method", id="unknown method"),
        pytest.param({"preferred": frozenset({"magic"})}, "preferred", id="unknown preferred method"),
        pytest.param({"avoided": frozenset({"ppo", "magic"})}, "avoided", id="unknown avoided method"),
        pytest.param(
            {"preferred": frozenset({"ppo"}), "avoided": frozenset({"ppo"})}, "preferred", id="both at the same time"
        ),
    ],
)
def test_constraints_refuse(values: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidConstraint, match=f"^{parameter} is .*; give ") as caught:
        Constraints(**values)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"quality_target": 1.0, "time_budget": 1e-9, "svg_budget": 1}, id="the strictest"),
        pytest.param({"preferred": frozenset({"ppo"}), "avoided": frozenset({"regression"})}, id="preferences"),
        pytest.param({"policy": "weighted"}, id="weighted"),
        pytest.param({"method": "ppo"}, id="one method alone"),
        pytest.param({"policy": "constrained"}, id="constrained"),
    ],
)
def test_constraints_allow(values: dict[str, Any]) -> None:
    made = Constraints(**values)
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        pytest.param({"base_weight": 0.4}, "weights", id="sum above one"),
        pytest.param({"time_weight": 0.1}, "weights", id="sum below one"),
        pytest.param({"base_weight": -0.5, "quality_weight": 1.3}, "weights", id="negative"),
        pytest.param({"base_weight": NAN}, "weights", id="not a number"),
        pytest.param({"name": "magic"}, "policy", id="unknown name"),
        pytest.param({"caution": -1.0}, "caution", id="reckless"),
        pytest.param({"caution": NAN}, "caution", id="caution not a number"),
    ],
)
def test_policy_refuses(values: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidConstraint) as caught:
        Policy(**values)
    assert caught.value.parameter == parameter


def test_weights_may_be_moved_as_long_as_they_sum_to_one() -> None:
    assert Policy(base_weight=0.0, quality_weight=0.9, time_weight=0.1).quality_weight == 0.9


def test_an_idle_host_is_the_default() -> None:
    assert Host() == Host(system_load=0.0, resource_availability=1.0, now=0.0)
