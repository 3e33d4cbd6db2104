"""Choices are weighed image by image, and fidelity counts nothing where a budget is broken."""

from typing import Any

import pytest

from converter._grid import GRID
from tests.vecroute.cli.measured import FIGURES, made
from vecroute.cli._evaluation import ROUTER, evaluation

TRUE: dict[str, Any] = {
    f"{name.replace('@', '_')}": {"fidelity_4x": quality - 0.1} for name, (quality, _) in FIGURES.items()
}


def test_a_choice_stands_beside_the_best_of_its_cell() -> None:
    by_cell = dict(zip(GRID, made().choices, strict=True))
    for cell, choice in by_cell.items():
        expected = {0.03: "performance@1x", 0.1: "regression@2x"}.get(cell.time_budget or 0, "regression@4x")
        if cell.quality_target == 0.90 and cell.time_budget != 0.03:
            expected = "regression@2x"  # ties go to less time
        assert choice.best_candidate == expected
        assert (choice.quality, choice.seconds) == (0.93, 0.04)
        assert choice.utility == (0.0 if cell.time_budget == 0.03 else min(1, 0.93 / (cell.quality_target or 1)))
        assert choice.loss == (
            "time" if cell.time_budget == 0.03 else "" if expected == "regression@2x" else choice.loss
        )


def test_fidelity_within_time_budgets() -> None:
    found = evaluation([made("a", **TRUE), made("b")], [])
    assert (found.images, found.sources) == (2, 1)
    by_name = {(one.name, one.time_budget): one for one in found.fidelity}
    assert {name for name, _ in by_name} == {*FIGURES, ROUTER}
    assert by_name["regression@4x", None].fidelity_4x == pytest.approx(0.87)
    assert (by_name["regression@4x", 0.1].fidelity_4x, by_name["regression@4x", 0.1].kept) == (0, 0)
    assert by_name[ROUTER, 0.1].fidelity_4x == pytest.approx(0.83)
    assert by_name[ROUTER, 0.03].kept == 0
    means = {one.name: one.fidelity_4x for one in found.summaries}
    assert means["defaults"] == pytest.approx(0.70)
    assert means[ROUTER] == pytest.approx(0.83)


def test_without_sources_there_is_no_fidelity() -> None:
    found = evaluation([made("a")], [])
    assert (found.sources, found.fidelity) == (0, ())
    assert {one.fidelity_4x for one in found.summaries} == {None}


def test_who_predicted_is_told_once() -> None:
    assert evaluation([made("a"), made("b")], []).exports == ("test 1",)
