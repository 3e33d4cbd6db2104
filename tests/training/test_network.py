"""The predictor sees an image once, scores all its plans alike, and its numbers keep their order."""

import numpy as np
import pytest
import torch

from router import FEATURE_NAMES
from training._boosted import Boosted, fit_boosted
from training._derived import SHOWN, Derived
from training._narrow import Narrow
from training._network import BOUNDS, ESTIMATES, MEMBERS, OUTPUTS, PIECES, Member, Pieces, Predictor
from training._tables import PLAN_COLUMNS

FEATURES, PLAN = len(FEATURE_NAMES), len(PLAN_COLUMNS)
ROWS = 150
DERIVED = Derived(np.zeros(FEATURES), np.ones(FEATURES))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    made = np.random.default_rng(1).normal(size=(ROWS, FEATURES + PLAN)).astype(np.float32)
    return np.asarray(DERIVED(torch.tensor(made)).numpy())


@pytest.fixture(scope="module")
def boosted(rows: np.ndarray) -> Boosted:
    logs = np.column_stack([rows[:, 0] - 3, rows[:, 1] + 9]).astype(np.float64)
    quality = np.random.default_rng(2).random(ROWS)
    return fit_boosted(rows, quality, logs, np.arange(ROWS) % 2, np.ones(ROWS), 1, lambda: None).module


@pytest.fixture(scope="module")
def members(rows: np.ndarray) -> list[Member]:
    torch.manual_seed(3)
    return [Member(len(SHOWN), rows).eval() for _ in range(MEMBERS)]


@pytest.fixture(scope="module")
def predictor(members: list[Member], boosted: Boosted) -> Predictor:
    return Predictor(members, boosted, DERIVED, (0.5, 0.25, 0.25), (1.0, 1.0, 1.0)).eval()


def inputs(plans: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(4)
    return torch.randn(1, FEATURES), torch.randn(1, 4, 32, 32), torch.ones(1, 1), torch.randn(plans, PLAN)


@pytest.mark.parametrize("plans", range(1, 9))
def test_each_plan_is_scored_as_if_it_were_alone(predictor: Predictor, plans: int) -> None:
    features, thumbnail, has, rows = inputs(plans)
    with torch.no_grad():
        together = predictor(features, thumbnail, has, rows)
        alone = torch.cat([predictor(features, thumbnail, has, row[None]).reshape(1, -1) for row in rows])
    assert together.shape == (plans, len(OUTPUTS))
    assert torch.allclose(together, alone, atol=1e-5)


def test_without_a_thumbnail_its_content_does_not_matter(predictor: Predictor) -> None:
    features, thumbnail, _, rows = inputs(2)
    with torch.no_grad():
        one, other = (predictor(features, t, torch.zeros(1, 1), rows) for t in (thumbnail, 0 * thumbnail))
        shown = predictor(features, thumbnail, torch.ones(1, 1), rows)
    assert torch.equal(one, other)
    assert not torch.equal(one, shown)


@pytest.mark.parametrize("size", [0.1, 1.0, 50.0])
def test_whatever_the_inputs_a_networks_quality_is_one(members: list[Member], size: float) -> None:
    features, thumbnail, has, plans = inputs(6)
    seen = DERIVED(torch.cat([features.expand(6, -1), plans], dim=1))[None, :, len(SHOWN) :]
    with torch.no_grad():
        said = members[0](size * features[:, SHOWN], thumbnail, has, size * seen)
    assert said.shape == (1, 6, len(ESTIMATES))
    assert ((said[..., 0] >= 0) & (said[..., 0] <= 1)).all()


def test_shares_lie_between_trees_and_networks(members: list[Member], boosted: Boosted) -> None:
    features, thumbnail, has, plans = inputs(3)
    said = {}
    with torch.no_grad():
        for share in (0.0, 0.5, 1.0):
            made = Predictor(members, boosted, DERIVED, (share, share, share), (1.0, 1.0, 1.0)).eval()
            said[share] = made(features, thumbnail, has, plans)[:, ESTIMATES]
        trees = boosted(DERIVED(torch.cat([features.expand(3, -1).clamp(-4, 4), plans], dim=1)))
    assert torch.allclose(said[0.0], trees[:, ESTIMATES], atol=1e-6)
    assert torch.allclose(said[0.5], (said[0.0] + said[1.0]) / 2, atol=1e-5)


def test_margins_are_the_trees_times_what_was_found_on_unseen_drawings(
    members: list[Member], boosted: Boosted, predictor: Predictor
) -> None:
    wider = Predictor(members, boosted, DERIVED, (0.5, 0.25, 0.25), (0.5, 2.0, 3.0)).eval()
    with torch.no_grad():
        one, other = predictor(*inputs(4)), wider(*inputs(4))
    assert torch.allclose(other[:, ESTIMATES], one[:, ESTIMATES])
    assert torch.allclose(other[:, 1], 0.5 * one[:, 1])
    above = [answer[:, BOUNDS] - answer[:, ESTIMATES[1:]] for answer in (one, other)]
    assert torch.allclose(above[1], above[0] * torch.tensor([2.0, 3.0]), rtol=1e-3)


def test_upper_bounds_stay_above_estimates(predictor: Predictor) -> None:
    with torch.no_grad():
        answer = predictor(*inputs(8))
    assert (answer[:, 3] > answer[:, 2]).all()
    assert (answer[:, 5] > answer[:, 4]).all()


def test_its_networks_are_narrow_and_those_it_was_made_of_are_not(members: list[Member], predictor: Predictor) -> None:
    assert any(isinstance(one, Narrow) for one in predictor.members.modules())
    assert not any(isinstance(one, Narrow) for member in members for one in member.modules())


def test_pieces_fill_one_after_the_other() -> None:
    column = np.arange(0, 8.001, 0.001, dtype=np.float32)[:, None]
    pieces = Pieces(column)
    assert pieces(torch.tensor([[2.5]]))[0].tolist() == pytest.approx([1, 1, 0.5, 0, 0, 0, 0, 0], abs=1e-3)
    assert pieces(torch.tensor([[-1.0], [9.0]])).tolist() == [[0.0] * PIECES, [1.0] * PIECES]


def test_a_column_of_few_values_has_few_pieces() -> None:
    columns = np.array([[0, 5], [1, 5], [1, 5], [1, 5]], dtype=np.float32)
    pieces = Pieces(columns)(torch.tensor([[0.0, 5.0], [1.0, 5.0], [0.5, 7.0]])).reshape(3, 2, PIECES)
    assert pieces[:, 0, 1:].count_nonzero() == 0
    assert pieces[:, 0, 0].tolist() == [0.0, 1.0, 0.5]
    assert pieces[:, 1].count_nonzero() == 0


def test_values_that_differ_by_less_than_rounding_are_no_piece() -> None:
    column = np.array([0, 1e-6, 2e-6, 1], dtype=np.float32)[:, None]
    assert (Pieces(column).width >= 1e-3).all()
