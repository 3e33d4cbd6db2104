"""What regressors learn from, the kinds that are tried, and that the one with the least regret wins."""

import random

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from router import FEATURE_NAMES, Features, Plan
from router.formulas import ladder
from tests.training.conftest import SEED, WIDTH
from training import _fit
from training._explore import found_best
from training._fit import (
    ARCHETYPES,
    MATTE_CODES,
    MODE_CODES,
    NUMBERS,
    OUTPUTS,
    PALETTE_CODES,
    PRICING,
    Problem,
    cover,
    fill_values,
    fit_regressor,
    outputs,
    problem,
    proposals,
)
from training._plans import MODE, Found, choices
from training._run import Label
from training._surrogate import Surrogate
from training._tables import LOG_FEATURES, Array, Table

KINDS = {"extra trees", "random forest", "neighbours", "trees pricing", "network pricing"}
PLANS = (Plan(palette=3, filter_speckle=1), Plan(palette=16, filter_speckle=4), Plan(palette=64, filter_speckle=8))


@pytest.fixture(scope="module")
def search(searched: list[Label]) -> Table:
    return Table(searched)


def made_up(count: int = 90, judges: int = 30) -> Problem:
    """Return a problem whose answer hangs on the step alone: at 1x the first plan is best, at 2x the second, ..."""
    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(count, WIDTH)).astype(np.float32)
    best = np.arange(count) % len(PLANS)
    rows[:, -1] = best + 1
    costs = np.where(best[:, None] == np.arange(len(PLANS)), -1.0, 1.0)
    unseen = np.arange(count) < judges
    return Problem(rows=rows, costs=costs, archetypes=PLANS, train=~unseen, judged=unseen)


def test_a_problem_has_a_row_for_each_image_and_step_it_can_afford(given: Problem, search: Table) -> None:
    steps = [step for one in search.labels for step in ladder(one.features)]
    assert len(given.rows) >= len(steps)
    assert given.rows.shape[1] == WIDTH
    assert set(given.rows[:, -1]) == set(steps)
    assert given.costs.shape == (len(given.rows), len(given.archetypes))
    assert np.isfinite(given.costs).all()
    assert 1 <= len(given.archetypes) <= _fit.ARCHETYPES <= ARCHETYPES
    assert {plan.upscale for plan in given.archetypes} == {1}


def test_every_drawing_lies_on_one_side(searched: list[Label], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fit, "JUDGES", 2)
    table = Table(searched)
    posed = problem(table, Surrogate(table, SEED), [], SEED)
    assert 0 < posed.judged.sum() < len(posed.rows)
    assert (posed.train != posed.judged).all()
    for features in table.scaled_features():
        sides = posed.judged[(posed.rows[:, :-1] == features).all(axis=1)]
        assert len(set(sides)) == 1


@pytest.mark.parametrize("judges", [1, 2**64], ids=["its drawing is a judge", "its drawing is none"])
def test_a_corpus_of_one_drawing_judges_itself(search: Table, monkeypatch: pytest.MonkeyPatch, judges: int) -> None:
    monkeypatch.setattr(_fit, "JUDGES", judges)
    alone = Table(search.labels[:1])
    posed = problem(alone, Surrogate(alone, SEED), [], SEED)
    assert posed.train.all()
    assert posed.judged.all()


def test_the_same_seed_poses_the_same_problem(search: Table) -> None:
    one, other = (problem(search, Surrogate(search, SEED), [], SEED) for _ in range(2))
    assert one.archetypes == other.archetypes
    assert np.array_equal(one.rows, other.rows)
    assert one.costs == pytest.approx(other.costs)


def test_no_more_images_are_looked_at_than_help(search: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fit, "IMAGES", 2)
    posed = problem(search, Surrogate(search, SEED), [], SEED)
    assert len(np.unique(posed.rows[:, :-1], axis=0)) == 2


def test_plans_that_search_found_best_are_proposed_at_1x(search: Table, explored: list[Label]) -> None:
    elites = found_best(explored)
    best = {msgspec.structs.replace(one.plans[0], upscale=1) for one in elites}
    found = proposals(search, elites, random.Random(1))
    assert set(found) <= best
    assert len(found) == len(set(found)) == min(_fit.PROPOSALS, len(best))


def test_without_a_search_random_plans_are_proposed(search: Table) -> None:
    found = proposals(search, [], random.Random(1))
    assert len(found) == _fit.PROPOSALS
    assert {plan.upscale for plan in found} == {1}
    assert proposals(search, [Found(features=(), upscale=1, plans=())], random.Random(1))


def test_cover_takes_what_helps_most_then_what_helps_the_others() -> None:
    costs = np.array([[0.0, 5.0, 2.0, 9.0], [9.0, 5.0, 2.0, 0.0], [9.0, 5.0, 2.0, 0.0]])
    assert cover(costs, 3) == [2, 3, 0]
    assert cover(costs, 1) == [2]


def test_cover_takes_each_column_once_and_no_more_than_there_are() -> None:
    assert cover(np.ones((3, 2)), 5) == [0, 1]


def test_all_five_kinds_are_judged_and_the_least_regret_wins() -> None:
    fitted = fit_regressor(made_up(), SEED)
    assert set(fitted.regrets) == KINDS
    assert all(regret >= 0 for regret in fitted.regrets.values())
    assert fitted.regrets[fitted.kind] == min(fitted.regrets.values())
    assert fitted.archetypes == (PLANS if fitted.kind in PRICING else None)
    assert PRICING < KINDS


@pytest.mark.parametrize("kind", ["extra trees", "trees pricing"])
def test_what_hangs_on_the_step_is_learnt(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every column at hand at each split, a tree finds the one that decides, and errs nowhere."""
    every = _fit._kinds
    monkeypatch.setattr(_fit, "LEAF", 1)
    monkeypatch.setattr(
        _fit, "_kinds", lambda *args: {kind: every(*args)[kind].set_params(max_features=1.0, min_samples_leaf=1)}
    )
    given = made_up()
    fitted = fit_regressor(given, SEED)
    assert fitted.regrets == {kind: pytest.approx(0.0)}
    said = fitted.model.predict(given.rows)
    if fitted.archetypes:
        assert np.array_equal(said.argmin(axis=1), given.costs.argmin(axis=1))
    else:
        assert said == pytest.approx(np.array([outputs(PLANS[i]) for i in given.costs.argmin(axis=1)]), abs=0.2)


def test_regret_is_how_much_more_the_named_plan_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that always names the first plan errs on two rows of three, by 2 each."""

    class Stubborn:
        def fit(self, rows: object, _: object) -> "Stubborn":
            return self

        def predict(self, rows: Array) -> NDArray[np.float64]:
            return np.array([outputs(PLANS[0])] * len(rows))

    monkeypatch.setattr(_fit, "_kinds", lambda *_: {"stubborn": Stubborn()})
    assert fit_regressor(made_up(), SEED).regrets == {"stubborn": pytest.approx(2 * 2 / 3)}


def test_the_same_seed_fits_the_same() -> None:
    given = made_up()
    one, other = (fit_regressor(given, SEED) for _ in range(2))
    assert one.kind == other.kind
    assert one.regrets == pytest.approx(other.regrets)
    assert one.model.predict(given.rows) == pytest.approx(other.model.predict(given.rows))


def test_a_network_that_needs_more_passes_is_judged_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    every = _fit._kinds
    short = {"mlpregressor__max_iter": 1}
    monkeypatch.setattr(
        _fit, "_kinds", lambda *args: {"network pricing": every(*args)["network pricing"].set_params(**short)}
    )
    assert np.isfinite(fit_regressor(made_up(), SEED).regrets["network pricing"])


@pytest.mark.parametrize("count", [1, 2, 11])
def test_trees_alone_learn_from_a_handful_of_rows(count: int) -> None:
    """There are fewer than the neighbours that are averaged, and none to stop a network early on."""
    given = made_up(count, judges=0)
    fitted = fit_regressor(msgspec.structs.replace(given, judged=given.train), SEED)
    assert set(fitted.regrets) == {"extra trees", "random forest", "trees pricing"}


def test_outputs_are_codes_and_numbers() -> None:
    plan = Plan(palette=8, matte="bands", mode="spline", denoise=2, color_precision=7)
    assert outputs(plan) == [3.0, 1.0, -1.0, 2.0, *(float(getattr(plan, name)) for name in NUMBERS[1:])]
    assert len(outputs(plan)) == len(OUTPUTS)


def test_every_choice_of_search_has_a_code() -> None:
    """Else the fit would end on the first image that is best served by another."""
    tried = choices(Features(noise_level=9.0, soft_alpha_interior=1.0), 1)
    assert set(tried["palette"]) == set(PALETTE_CODES)
    assert set(tried["matte"]) == set(MATTE_CODES)
    assert MODE in MODE_CODES
    assert {*tried, "mode"} == set(OUTPUTS)


def test_fill_values_are_means_as_measured(search: Table) -> None:
    fill = fill_values(search)
    edges, area = FEATURE_NAMES.index("edge_density"), FEATURE_NAMES.index("image_area")
    assert fill[edges] == pytest.approx(search.features[:, edges].mean())
    assert fill[area] == pytest.approx(np.expm1(np.log1p(search.features[:, area]).mean()), rel=1e-4)
    assert fill.shape == (len(FEATURE_NAMES),)
    assert LOG_FEATURES
