"""Boosted trees as a torch module answer what scikit-learn answers, eagerly and traced, for any number of rows."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor

from training._trees import Trees


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


def test_an_ensemble_of_one_leaf_is_a_constant() -> None:
    flat = HistGradientBoostingRegressor(max_iter=2, early_stopping=False).fit(np.zeros((40, 1)), np.full(40, 3.0))
    assert Trees([flat])(torch.zeros(2, 1)).tolist() == [[3.0], [3.0]]
