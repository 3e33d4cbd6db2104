"""The base forest learns which method reached most, for each target and budget."""

from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest

from router import FEATURE_NAMES, METHODS, Method
from tests.training.conftest import SEED
from training._export import trees_as_onnx
from training._forest import BUDGETS, TARGETS, best_methods, fit_forest, methods_of
from training._run import Label
from training._tables import Table
from training.errors import CorpusTooSmall

CELLS = len(TARGETS) * len(BUDGETS)


def where_best(labels: list[Label], wanted: list[Method]) -> Table:
    """Return the labels with figures by which, on each image in turn, the wanted method is the best."""
    changed = []
    for one, best in zip(labels, wanted * len(labels), strict=False):
        runs = tuple(
            msgspec.structs.replace(run, quality=1.0 if run.origin == best else 0.5, seconds=0.001) for run in one.runs
        )
        changed.append(msgspec.structs.replace(one, runs=runs))
    return Table(changed)


def test_methods_are_those_that_were_run(table: Table, searched: list[Label]) -> None:
    assert methods_of(table) == METHODS[:3]
    assert methods_of(Table(searched)) == ()


def test_a_row_for_each_cell_of_each_labelled_image(table: Table, labelled: list[Label]) -> None:
    rows, best, groups = best_methods(table, np.arange(len(table.labels)))
    assert rows.shape == (CELLS * len(labelled), len(FEATURE_NAMES) + 2)
    assert sorted(set(groups)) == list(range(len(labelled)))
    assert set(best) <= {0, 1, 2}


def test_the_best_is_what_reaches_most_within_the_budget_then_what_is_faster_then_smaller(
    labelled: list[Label],
) -> None:
    one = labelled[0]
    base = next(run for run in one.runs if run.origin == "performance")
    figures: list[tuple[Method, float, float, int]] = [
        ("performance", 0.91, 0.01, 900),
        ("feature_mapping", 0.96, 0.05, 500),
        ("regression", 0.99, 0.50, 400),
    ]
    runs = tuple(
        msgspec.structs.replace(base, origin=origin, quality=quality, seconds=seconds, svg_bytes=size)
        for origin, quality, seconds, size in figures
    )
    rows, best, _ = best_methods(Table([msgspec.structs.replace(one, runs=runs)]), np.array([0]))
    found = {
        (round(float(t), 2), round(float(b), 2)): int(method) for (t, b), method in zip(rows[:, -2:], best, strict=True)
    }
    assert found[0.9, 10.0] == 0  # all reach it, the fastest wins
    assert found[0.95, 10.0] == 1
    assert found[1.0, 10.0] == 2
    assert found[1.0, 0.3] == 1  # the finest is too slow
    assert found[1.0, 0.03] == 0


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(["performance", "feature_mapping", "regression", "performance"], id="all three"),
        pytest.param(["performance", "regression"], id="one is nowhere the best"),
    ],
)
def test_the_forest_answers_one_probability_per_method_it_knows_also_as_onnx(
    labelled: list[Label], wanted: list[Method], tmp_path: Path
) -> None:
    table = where_best(labelled, wanted)
    forest = fit_forest(table, np.arange(len(table.labels)), SEED)
    known = [method for method in METHODS if method in wanted]
    assert [methods_of(table)[index] for index in forest.classes_] == known
    rows, _, _ = best_methods(table, np.arange(len(table.labels)))
    said = forest.predict_proba(rows)
    assert said.shape == (len(rows), len(known))
    assert said.sum(axis=1) == pytest.approx(1)
    (tmp_path / "forest.onnx").write_bytes(trees_as_onnx(forest, rows.shape[1]))
    session = onnxruntime.InferenceSession(str(tmp_path / "forest.onnx"))
    assert session.run(None, {"features": rows})[-1] == pytest.approx(said, abs=1e-5)


def test_too_few_images_or_one_winner_are_told(labelled: list[Label]) -> None:
    with pytest.raises(CorpusTooSmall, match="at least 3"):
        fit_forest(where_best(labelled[:2], ["performance", "regression"]), np.arange(2), SEED)
    with pytest.raises(CorpusTooSmall, match="one method"):
        fit_forest(where_best(labelled, ["regression"]), np.arange(len(labelled)), SEED)


def test_a_method_that_is_best_on_one_image_alone_is_told_or_seen_in_every_fold_used(labelled: list[Label]) -> None:
    """Three images, each with another winner: every fold misses one."""
    methods: list[Method] = ["performance", "feature_mapping", "regression"]
    with pytest.raises(CorpusTooSmall, match="too few images"):
        fit_forest(where_best(labelled[:3], methods), np.arange(3), SEED)
