"""Boosted trees as a torch module answer what scikit-learn answers, eagerly, traced and as ONNX, for any rows."""

import io

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor

from training._trees import ML_DOMAIN, ML_OPSET, Trees


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(300, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def ensembles(rows: np.ndarray) -> list[HistGradientBoostingRegressor]:
    targets = rows[:, 0] * rows[:, 1], np.abs(rows[:, 2]) - 7
    return [
        HistGradientBoostingRegressor(max_iter=12, max_leaf_nodes=9, early_stopping=False, random_state=1).fit(rows, t)
        for t in targets
    ]


def test_every_ensemble_has_its_output(rows: np.ndarray, ensembles: list[HistGradientBoostingRegressor]) -> None:
    with torch.no_grad():
        said = Trees(ensembles)(torch.tensor(rows)).numpy()
    assert said == pytest.approx(np.column_stack([one.predict(rows) for one in ensembles]), abs=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 2, 8])
def test_a_traced_walk_takes_any_number_of_rows(
    count: int, rows: np.ndarray, ensembles: list[HistGradientBoostingRegressor]
) -> None:
    trees = Trees(ensembles).eval()
    traced = torch.jit.trace(trees, torch.tensor(rows[:3]))
    some = torch.tensor(rows[10 : 10 + count])
    assert torch.equal(traced(some), trees(some))


def as_onnx(trees: Trees, columns: int) -> bytes:
    buffer = io.BytesIO()
    torch.onnx.export(
        trees.eval(),
        (torch.zeros(3, columns),),
        buffer,  # type: ignore[arg-type] # a stream is taken too
        input_names=["rows"],
        dynamic_axes={"rows": {0: "count"}},
        opset_version=17,
        custom_opsets={ML_DOMAIN: ML_OPSET},
        dynamo=False,
    )
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_has_all_trees_in_one_operator(rows: np.ndarray, ensembles: list[HistGradientBoostingRegressor]) -> None:
    written = as_onnx(Trees(ensembles), rows.shape[1])
    onnx.checker.check_model(written)
    assert [node.op_type for node in onnx.load_from_string(written).graph.node].count("TreeEnsemble") == 1
    session = onnxruntime.InferenceSession(written)
    for count in (1, 8, 300):
        (said,) = session.run(None, {"rows": rows[:count]})
        assert said == pytest.approx(np.column_stack([one.predict(rows[:count]) for one in ensembles]), abs=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_ensemble_of_one_leaf_is_a_constant() -> None:
    flat = HistGradientBoostingRegressor(max_iter=2, early_stopping=False).fit(np.zeros((40, 1)), np.full(40, 3.0))
    trees = Trees([flat])
    assert trees(torch.zeros(2, 1)).tolist() == [[3.0], [3.0]]
    session = onnxruntime.InferenceSession(as_onnx(trees, 1))
    assert session.run(None, {"rows": np.zeros((2, 1), np.float32)})[0].tolist() == [[3.0], [3.0]]
