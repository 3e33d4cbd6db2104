"""The surrogate, the plans it finds best, the trees that name them, and the constants of closed formulas."""

import numpy as np
import pytest

from router import FEATURE_NAMES, Plan
from router.formulas import STEPS
from tests.training.conftest import SEED
from training._fit import (
    NUMBERS,
    OUTPUTS,
    Surrogate,
    best_plans,
    fill_values,
    fit_regressor,
    formula_constants,
    outputs,
    rule_constants,
)
from training._run import Label
from training._tables import LOG_FEATURES, Array, Table


@pytest.fixture(scope="module")
def search(searched: list[Label]) -> Table:
    return Table(searched)


@pytest.fixture(scope="module")
def best(search: Table) -> tuple[Array, list[Plan]]:
    return best_plans(search, SEED)


def test_the_surrogate_judges_plans_of_a_step_beside_each_other(search: Table) -> None:
    plans = [Plan(upscale=2), Plan(upscale=2, filter_speckle=16, color_precision=1, layer_difference=255)]
    costs = Surrogate(search, SEED).costs(search.scaled_features()[0], plans)
    assert costs.shape == (2,)
    assert np.isfinite(costs).all()
    assert Surrogate(search, SEED).costs(search.scaled_features()[0], plans) == pytest.approx(costs)


def test_every_image_gets_a_best_plan_for_every_step(search: Table, best: tuple[Array, list[Plan]]) -> None:
    rows, plans = best
    assert [plan.upscale for plan in plans] == [*STEPS] * len(search.labels)
    assert rows.shape == (len(plans), len(FEATURE_NAMES) + 1)
    assert rows[:, -1].tolist() == [plan.upscale for plan in plans]
    again = best_plans(search, SEED)
    assert again[1] == plans


def test_the_regressor_names_what_it_was_shown(best: tuple[Array, list[Plan]]) -> None:
    rows, plans = best
    said = fit_regressor(rows, plans, SEED).predict(rows)
    shown = np.array([outputs(plan) for plan in plans])
    assert said.shape == (len(plans), len(OUTPUTS))
    assert (said >= shown.min(axis=0) - 1e-6).all()
    assert (said <= shown.max(axis=0) + 1e-6).all()


def test_outputs_are_codes_and_numbers() -> None:
    plan = Plan(palette=8, matte="bands", mode="spline", denoise=2, color_precision=7)
    assert outputs(plan) == [3.0, 1.0, 1.0, 2.0, *(float(getattr(plan, name)) for name in NUMBERS[1:])]
    assert len(outputs(plan)) == len(OUTPUTS)


def test_formula_constants_are_a_least_squares_line() -> None:
    """Where the best speckle is twice the step plus one, the fit finds just that."""
    plans = [Plan(upscale=s, filter_speckle=2 * s + 1) for s in (1, 2, 3, 4)]
    rows = np.random.default_rng(1).random((4, len(FEATURE_NAMES) + 1)).astype(np.float32)
    rows[:, -1] = [1, 2, 3, 4]
    found = formula_constants(plans, rows)
    assert set(found) == {"palette", "color_precision", "layer_difference", "filter_speckle"}
    assert found["filter_speckle"] == pytest.approx((1.0, 2.0), abs=2e-3)
    assert found["color_precision"] == pytest.approx((6.0, 0.0), abs=2e-3)


def test_fill_values_are_means_as_measured(search: Table) -> None:
    fill = fill_values(search)
    edges, area = FEATURE_NAMES.index("edge_density"), FEATURE_NAMES.index("image_area")
    assert fill[edges] == pytest.approx(search.features[:, edges].mean())
    assert fill[area] == pytest.approx(np.expm1(np.log1p(search.features[:, area]).mean()), rel=1e-4)
    assert fill.shape == (len(FEATURE_NAMES),)
    assert LOG_FEATURES


def test_rule_constants_bound_what_was_measured(labelled: list[Label]) -> None:
    found = rule_constants(Table(labelled))
    assert set(found) == {f"{n}_{part}" for n in ("seconds", "bytes") for part in ("fixed", "per_pixel", "margin")}
    assert all(np.isfinite(value) and value >= 0 for value in found.values())
    assert found["seconds_margin"] > 1


def test_rule_constants_of_one_image_at_one_step(labelled: list[Label]) -> None:
    one = Table(labelled[:1])
    assert all(np.isfinite(value) for value in rule_constants(one).values())
