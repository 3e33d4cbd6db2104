"""The headline's figures, by hand."""

from typing import Any

import msgspec
import pytest

from converter._grid import GRID, gap_closed
from tests.vecroute.cli.measured import failed, made
from vecroute.cli._evaluation import Evaluation, evaluation
from vecroute.cli._measuring import Measured
from vecroute.cli._report_headline import Headline, pairs


def found(*measured: Measured) -> Headline:
    return evaluation(measured, []).headline


def test_error_is_a_share_of_the_defaults() -> None:
    head = found(made("a"), made("b"))
    assert head.error_ratio == pytest.approx((1 - 0.93) / (1 - 0.80))
    assert head.fixed_3x_error_ratio == pytest.approx((1 - 0.92) / (1 - 0.80))
    assert head.router_seconds == pytest.approx(0.04)
    assert head.fixed_3x_seconds == pytest.approx(0.12)


def test_the_tight_figure_leaves_large_images_out() -> None:
    head = found(made("a"), made("b", width=600, regression_2x={"quality": 0.5}))
    assert head.tight_images == 1
    assert head.tight_error_ratio == pytest.approx((1 - 0.93) / (1 - 0.80))
    assert found(made("b", width=600)).tight_error_ratio is None


def test_budgets_are_kept_where_they_can_be() -> None:
    # At 30 ms only performance fits: the choice misses it in half of the cells with a budget that binds time alone.
    with_budget = [c for c in GRID if c.time_budget is not None or c.svg_budget is not None]
    broken = [c for c in with_budget if c.time_budget == 0.03]
    assert found(made("a")).kept == pytest.approx(1 - len(broken) / len(with_budget))
    nothing_fits = made("b", seconds=9.0, svg_bytes=99_000)
    assert found(nothing_fits).kept is None


def test_the_best_fixed_plan_of_each_cell_is_the_one_to_beat() -> None:
    result = evaluation([made("a")], [])
    over = result.headline.over_fixed
    assert over.vbs == result.pooled.vbs
    assert over.router == result.pooled.router
    assert over.sbs < result.pooled.sbs
    assert over.gap_closed == gap_closed(over.router, over.sbs, over.vbs)


def test_predictions_that_are_right() -> None:
    head = found(made("a", performance_1x={"predicted_quality": 0.86}))
    assert head.quality is not None
    assert head.quality.count == 3
    assert head.quality.mae == pytest.approx(0.02 / 3)
    assert head.calibration == pytest.approx(0.02 / 0.03)
    assert head.seconds is not None
    assert head.seconds.pearson == pytest.approx(1)
    assert (head.seconds_within_bound, head.bytes_within_bound) == (1, 1)
    late = found(made("a", performance_1x={"predicted_seconds_high": 0.001}))
    assert late.seconds_within_bound == pytest.approx(2 / 3)


def test_without_a_predictor_there_is_nothing_to_agree_with() -> None:
    names = ("quality", "quality_error", "seconds", "seconds_high", "svg_bytes", "svg_bytes_high")
    nothing: dict[str, Any] = {f"predicted_{name}": None for name in names}
    unscored = made("a", **nothing)
    head = found(unscored)
    assert (head.quality, head.seconds, head.calibration, head.seconds_within_bound) == (None, None, None, None)
    assert pairs(unscored.runs, "seconds") == []


def test_images_on_which_the_defaults_failed_do_not_count() -> None:
    one = made("a")
    runs = tuple(failed(run) if run.candidate == "defaults" else run for run in one.runs)
    assert found(msgspec.structs.replace(one, runs=runs)).error_ratio is None


def test_it_stands_in_the_json() -> None:
    result = evaluation([made("a")], [])
    assert msgspec.json.decode(msgspec.json.encode(result), type=Evaluation).headline == result.headline
