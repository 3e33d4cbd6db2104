"""Each way of losing utility has its own reason, told with the numbers."""

from typing import Any

import pytest

from tests.vecroute.cli.measured import failed, made_choice, made_run
from vecroute.cli._report_reasons import KINDS, explain

LOST = {"utility": 0.5, "best_utility": 0.97}
BUDGET = {**LOST, "time_budget": 0.1}


@pytest.mark.parametrize(
    ("choice", "chosen", "best", "kind", "says"),
    [
        pytest.param(
            BUDGET, {"seconds": 0.15}, {}, "time", "150 ms of 100 ms; it was thought to stay below 60 ms", id="late"
        ),
        pytest.param(
            BUDGET,
            {"seconds": 0.15, "predicted_seconds_high": 0.2},
            {},
            "time",
            "nothing was thought to fit",
            id="none fits",
        ),
        pytest.param(
            BUDGET, {"seconds": 0.15, "predicted_seconds_high": None}, {}, "time", "nobody predicted it", id="no bound"
        ),
        pytest.param(
            {**LOST, "svg_budget": 10_000}, {"svg_bytes": 12_000}, {}, "bytes", "12.0 kB of 10.0 kB", id="large"
        ),
        pytest.param(
            BUDGET, {}, {"seconds": 0.09}, "cautious", "takes 90 ms of 100 ms; its bound was 300 ms", id="time bound"
        ),
        pytest.param(
            {**LOST, "svg_budget": 5_000}, {}, {}, "cautious", "4.0 kB of 5.0 kB; its bound was 6.0 kB", id="size bound"
        ),
        pytest.param(
            LOST, {"quality": 0.8}, {}, "overrated", "thought to reach 0.930 and reached 0.800", id="overrated"
        ),
        pytest.param(LOST, {}, {"predicted_quality": 0.9}, "underrated", "thought to reach 0.900", id="underrated"),
        pytest.param(LOST, {}, {}, "cheaper", "regression@4x", id="both right"),
        pytest.param(LOST, {"predicted_quality": None}, {}, "unpredicted", "base routing", id="no predictor"),
    ],
)
def test_why(choice: dict[str, Any], chosen: dict[str, Any], best: dict[str, Any], kind: str, says: str) -> None:
    loss = explain(
        made_choice("regression@2x", **choice), made_run("regression@2x", **chosen), made_run("regression@4x", **best)
    )
    assert loss is not None
    assert loss.kind == kind
    assert says in loss.text
    assert kind in KINDS


def test_a_failed_run_lost_by_that() -> None:
    loss = explain(made_choice("regression@2x", **LOST), failed(made_run("regression@2x")), made_run("regression@4x"))
    assert loss is not None
    assert loss.kind == "failed"
    assert "panic" in loss.text


@pytest.mark.parametrize("utility", [0.97, 0.98, 0.97 - 1e-12])
def test_no_loss_no_reason(utility: float) -> None:
    choice = made_choice("regression@2x", utility=utility, best_utility=0.97)
    assert explain(choice, made_run("regression@2x"), made_run("regression@4x")) is None
