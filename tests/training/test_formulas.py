"""The fitted constants are those for which the surrogate foretells less, and lie where they may lie."""

import msgspec
import optuna
import pytest

from router import Plan
from router.formulas import FORMULAS, PERFORMANCE, Line
from tests.training.conftest import SEED
from training._fit import Problem
from training._formulas import FEW_LAYERS, LIMITS, RANGES, Constants, _as_trial, _formulas, _quick, fit_constants
from training._run import Label
from training._surrogate import Surrogate
from training._tables import Table


@pytest.fixture(scope="module")
def constants(searched: list[Label], given: Problem) -> Constants:
    table = Table(searched)
    return fit_constants(table, Surrogate(table, SEED), Surrogate(table, SEED, thrift=0.3), given.archetypes, SEED)


def test_the_constants_found_cost_no_more_than_those_in_use(constants: Constants) -> None:
    assert constants.after <= constants.before
    assert constants.performance_after <= constants.performance_before


def test_the_same_seed_finds_the_same(searched: list[Label], given: Problem, constants: Constants) -> None:
    table = Table(searched)
    again = fit_constants(table, Surrogate(table, SEED), Surrogate(table, SEED, thrift=0.3), given.archetypes, SEED)
    assert (again.formulas, again.performance) == (constants.formulas, constants.performance)
    assert again.after == pytest.approx(constants.after)


def test_the_preset_is_quick(constants: Constants, given: Problem) -> None:
    assert constants.performance in (PERFORMANCE, *map(_quick, given.archetypes))


def test_lines_lie_within_their_ranges(constants: Constants) -> None:
    for name, (intercept, slope, bounds) in RANGES.items():
        line = getattr(constants.formulas, name)
        assert intercept[0] <= line.intercept <= intercept[1]
        assert slope[0] <= line.slope <= slope[1]
        assert line[2:] == bounds
    for name, (low, high) in LIMITS.items():
        assert low <= getattr(constants.formulas, name) <= high


def test_lines_that_are_not_fitted_stay(constants: Constants) -> None:
    fitted = {*RANGES, *LIMITS}
    for name in set(FORMULAS._fields) - fitted:
        assert getattr(constants.formulas, name) == getattr(FORMULAS, name)


def test_the_constants_in_use_can_be_proposed_and_come_back_as_they_are() -> None:
    """Else the search would start somewhere else, and could end with worse ones."""
    study = optuna.create_study()
    study.enqueue_trial(_as_trial(FORMULAS))
    assert _formulas(study.ask()) == FORMULAS
    assert all(isinstance(getattr(FORMULAS, name), Line) for name in RANGES)


def test_constants_are_printed_as_json(constants: Constants) -> None:
    printed = msgspec.json.decode(msgspec.json.encode(constants))
    assert printed["performance"] == msgspec.to_builtins(constants.performance)
    assert printed["before"] == constants.before


def test_the_quick_form_of_a_plan_keeps_its_colours_and_drops_what_takes_time() -> None:
    slow = Plan(upscale=4, matte="bands", palette=16, denoise=2, mode="spline", color_precision=7, layer_difference=4)
    assert _quick(slow) == Plan(mode="spline", color_precision=7, layer_difference=FEW_LAYERS)
    assert _quick(Plan(layer_difference=64)).layer_difference == 64
