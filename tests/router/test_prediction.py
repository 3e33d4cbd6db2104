"""The request grid never takes a request for a kinder one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import GRID_BUDGETS, GRID_TARGETS, METHODS, Prediction, base_cell


@pytest.mark.parametrize(
    ("target", "budget", "cell"),
    [
        pytest.param(0.90, 0.03, 0, id="first cell"),
        pytest.param(0.10, 0.03, 0, id="low targets share the first row"),
        pytest.param(0.91, 0.03, 4, id="the next target up"),
        pytest.param(0.95, 0.1, 5, id="exactly on both"),
        pytest.param(0.98, 0.3, 10, id="the last number of each"),
        pytest.param(0.99, 0.3, 14, id="above all targets: as good as possible"),
        pytest.param(1.0, 0.3, 14, id="perfection: as good as possible"),
        pytest.param(None, 0.3, 14, id="no target: as good as possible"),
        pytest.param(0.90, 0.001, 0, id="less than the least budget"),
        pytest.param(0.90, 0.099, 0, id="the next budget down"),
        pytest.param(0.90, 3600.0, 2, id="a long budget is still one"),
        pytest.param(0.90, None, 3, id="no budget"),
        pytest.param(None, None, 15, id="last cell"),
    ],
)
def test_base_cell(target: float | None, budget: float | None, cell: int) -> None:
    assert base_cell(target, budget) == cell


@given(
    st.none() | st.floats(0, 1, exclude_min=True),
    st.none() | st.floats(0, 1e6, exclude_min=True),
)
def test_base_cell_is_at_least_as_strict_as_the_request(target: float | None, budget: float | None) -> None:
    row, column = divmod(base_cell(target, budget), len(GRID_BUDGETS))
    cell_target, cell_budget = GRID_TARGETS[row], GRID_BUDGETS[column]
    assert cell_target is None or (target is not None and target <= cell_target)
    if budget is not None:
        assert cell_budget is not None
        assert cell_budget <= max(budget, 0.03)


def test_a_prediction_is_of_the_base_lane_until_a_predictor_spoke() -> None:
    assert Prediction(candidates=()).lane == "base"


def test_methods_are_those_of_the_design() -> None:
    assert METHODS == ("performance", "feature_mapping", "regression", "ppo")
