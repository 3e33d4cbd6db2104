"""Exports are judged on held-out labels: the predictor's errors by hand, and choices on the whole grid."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from converter._fixed import FIXED
from converter._grid import GRID, Cell
from models import load_export
from router import METHODS, Candidate, Constraints, Policy, Prediction, decide
from router.pixels import Sample
from tests.exports import write_export
from training._evaluate import (
    choices,
    judge_export,
    judge_grid,
    predictor_errors,
    rows_of,
    sample_of_label,
)
from training._run import Label, Run

POLICIES = (Policy(name="constrained"), Policy(name="weighted"))


def foretold(label: Label, *, off: float = 0.0) -> Prediction:
    """Return a prediction that knows what was measured, or is off by so much in quality."""

    def candidate(run: Run) -> Candidate:
        (method,) = (m for m in METHODS if m == run.origin)
        return Candidate(
            method=method,
            plan=run.plan,
            quality=run.quality - off,
            quality_error=0.0,
            seconds=run.seconds,
            seconds_high=run.seconds,
            svg_bytes=run.svg_bytes,
            svg_bytes_high=run.svg_bytes,
        )

    known = {run.plan: run for run in label.runs if run.origin in METHODS}
    return Prediction(candidates=tuple(map(candidate, known.values())), lane="onnx")


def test_a_label_is_seen_as_the_models_see_an_image(labelled: list[Label]) -> None:
    found = sample_of_label(labelled[0])
    assert isinstance(found, Sample)
    assert found.features == labelled[0].features
    assert found.picture is not None
    assert found.picture.tobytes() == labelled[0].thumbnail


def test_a_perfect_predictor_has_no_errors(labelled: list[Label]) -> None:
    found = predictor_errors(labelled, [foretold(label) for label in labelled])
    assert found["pearson"] == pytest.approx(1)
    assert found["mae"] == pytest.approx(0)
    assert (found["seconds_within_bound"], found["bytes_within_bound"]) == (1, 1)
    # A plan that two methods propose is foretold once.
    assert found["runs"] == sum(len({r.plan for r in label.runs if r.origin in METHODS}) for label in labelled)
    assert found["runs"] > 6 * len(labelled)


def test_errors_by_hand(labelled: list[Label]) -> None:
    found = predictor_errors(labelled, [foretold(label, off=0.25) for label in labelled])
    assert found["mae"] == pytest.approx(0.25)
    assert found["pearson"] == pytest.approx(1)


def test_what_does_not_vary_has_no_correlation(labelled: list[Label]) -> None:
    """Left out: a manifest takes numbers only, and NaN is none."""
    one = labelled[0]
    prediction = foretold(one)
    alone = msgspec.structs.replace(prediction, candidates=prediction.candidates[:1])
    found = predictor_errors([one], [alone])
    assert "pearson" not in found
    assert all(np.isfinite(value) for value in found.values())
    none = msgspec.structs.replace(prediction, candidates=())
    assert predictor_errors([one], [none]) == {"runs": 0.0}


def test_choices_are_what_the_router_decides(labelled: list[Label]) -> None:
    predictions = [foretold(label) for label in labelled]
    found = choices(predictions, Cell(0.9, 0.1, 10_000), POLICIES[0])
    wanted = Constraints(quality_target=0.9, time_budget=0.1, svg_budget=10_000)
    assert found == [decide(prediction, wanted, policy=POLICIES[0]) for prediction in predictions]


def test_rows_are_the_methods_and_the_fixed_recipe(labelled: list[Label]) -> None:
    rows = rows_of(labelled[0])
    assert {row.method for row in rows} == {*METHODS[:3], "fixed"}
    assert all(row.candidate == f"{row.method}@{row.step}" for row in rows)
    assert {row.image for row in rows} == {labelled[0].key}


def test_who_knows_all_closes_the_gap(labelled: list[Label]) -> None:
    predictions = [foretold(label) for label in labelled]
    # Who weighs what a plan costs leaves a little quality where no target is set.
    policy = Policy(name="constrained", thrift=0.0)
    for judged in judge_grid(labelled, lambda cell: choices(predictions, cell, policy), METHODS):
        assert judged.images == len(labelled)
        assert judged.router <= judged.vbs + 1e-9
        if judged.cell == Cell():
            assert judged.router == pytest.approx(judged.vbs)


def test_an_export_in_numbers(labelled: list[Label], tmp_path: Path) -> None:
    export = load_export(write_export(tmp_path / "one", regressor=False), defaults=None)
    found = judge_export(export, labelled, POLICIES)
    assert found.images == len(labelled)
    assert set(found.policies) == {"constrained", "weighted"}
    assert set(found.means) >= {*FIXED, "performance", "feature_mapping", "regression", "router", "vbs"}
    assert found.means["vbs"]["quality"] >= found.means["router"]["quality"]
    assert found.means["fixed_2x"]["images"] == len(labelled)
    assert 0 < found.predictor["mae"] < 1
    for figures in found.policies.values():
        assert figures["utility"] is not None
        assert figures["vbs"] is not None
        assert 0 <= figures["utility"] <= figures["vbs"] + 1e-9 <= 1 + 1e-6
    assert len(GRID) == 32
    assert msgspec.json.decode(msgspec.json.encode(found))["images"] == len(labelled)
