"""Plots show what the evaluation holds, whatever the methods are, and draw nothing where there is nothing."""

import re
from collections.abc import Callable

import msgspec
import pytest

from tests.vecroute.cli.measured import made, made_run
from vecroute.cli._evaluation import evaluation
from vecroute.cli._report_canvas import FIXED_COLOR, METHOD_COLORS
from vecroute.cli._report_families import MOST, Family, families
from vecroute.cli._report_front import best_points, router_points
from vecroute.cli._report_plots import (
    bounds_plot,
    calibration_plot,
    color_of,
    families_plot,
    front_plot,
    kind_colors,
    quality_plot,
)
from vecroute.cli._report_reasons import KINDS

SCORED = [made_run("regression@2x", image=str(n), quality=0.9 + n / 1000) for n in range(40)]


def words(drawn: str) -> list[str]:
    return re.findall(r">([^<>]*\S[^<>]*)</text>", drawn)


def test_methods_keep_their_colour_and_new_ones_get_one() -> None:
    methods = ["performance", "regression", "ppo"]
    assert [color_of(method, methods) for method in methods] == list(METHOD_COLORS[:3])
    assert color_of("fixed", methods) == FIXED_COLOR
    many = [f"m{n}" for n in range(9)]
    assert color_of("m8", many) == METHOD_COLORS[8 - len(METHOD_COLORS)]
    assert set(kind_colors()) == set(KINDS)


def test_quality_is_drawn_a_point_a_run_and_many_as_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = quality_plot("ppo", SCORED, METHOD_COLORS[0])
    assert drawn.count("<use") >= len(SCORED)
    assert {"predicted quality", "measured quality"} <= set(words(drawn))
    monkeypatch.setattr("vecroute.cli._report_plots.MOST_POINTS", 10)
    assert "data:image/png;base64," in quality_plot("ppo", SCORED, METHOD_COLORS[0])


@pytest.mark.parametrize(
    "draw", [calibration_plot, bounds_plot, lambda runs: quality_plot("ppo", runs, METHOD_COLORS[0])]
)
@pytest.mark.parametrize("count", [0, 1, 40])
def test_any_number_of_runs(draw: Callable[[list[object]], str], count: int) -> None:
    assert draw(list(SCORED[:count])).startswith("<svg")


def test_predictions_without_any_error_have_a_place() -> None:
    assert calibration_plot([made_run("regression@2x", image=str(n)) for n in range(9)]).startswith("<svg")


def test_bounds_tell_the_share_below_them() -> None:
    late = [msgspec.structs.replace(run, seconds=9.0) for run in SCORED[:20]]
    assert "40%" in " ".join(words(bounds_plot([*late, *SCORED[20:]]))) or "50%" in " ".join(words(bounds_plot(late)))
    assert {"time", "size"} <= set(words(bounds_plot(SCORED)))


def test_the_front_names_each_budget_once() -> None:
    found = evaluation([made("a"), made("b")], [])
    router, best = router_points(found.choices), best_points(found.choices, found.rows)
    assert [point.label for point in router] == ["30 ms", "100 ms", "300 ms", "no budget"]
    assert [point.quality for point in router] == pytest.approx([0.93] * 4)
    assert [point.seconds for point in best] == pytest.approx([0.008, 0.04, 0.2, 0.2])
    drawn = front_plot(found.summaries[:-1], router, best, ["performance", "regression"])
    assert "30 ms, 100 ms, 300 ms, no budget" in words(drawn)  # the same choice each time


def test_runs_that_failed_have_no_point() -> None:
    choices = [msgspec.structs.replace(choice, quality=None, seconds=None) for choice in made("a").choices]
    assert router_points(choices) == []


def test_regret_by_family_and_reason() -> None:
    found = evaluation([made("a"), made("b", family="fish", chosen="performance@1x"), made("c", family="fish")], [])
    shown = families(found.choices, found.rows)
    assert {one.name: one.images for one in shown} == {"birds": 1, "fish": 2}
    assert shown[0].regret >= shown[1].regret > 0
    birds = next(one for one in shown if one.name == "birds")
    lost = [c.best_utility - c.utility for c in made("a").choices]
    assert birds.regret == pytest.approx(sum(lost) / len(lost))
    assert birds.lost["time"] == pytest.approx(
        sum(v for v, c in zip(lost, made("a").choices, strict=True) if c.loss == "time") / 32
    )
    drawn = families_plot(shown)
    assert {"birds (1)", "fish (2)"} <= set(words(drawn))


def test_many_families_become_one() -> None:
    found = evaluation([made(str(n), family=f"family {n}") for n in range(MOST + 3)], [])
    shown = families(found.choices, found.rows)
    assert len(shown) == MOST
    assert shown[-1].name == "4 others"
    assert sum(one.images for one in shown) == MOST + 3
    assert families_plot([Family("none lost", 1, {})]).startswith("<svg")
