"""The predictor sees an image once, scores all its plans alike, and its numbers keep their order."""

import numpy as np
import pytest
import torch

from training._boosted import Boosted, fit_boosted
from training._network import ESTIMATES, MEMBERS, OUTPUTS, Member, Predictor

FEATURES, PLAN = 7, 5


@pytest.fixture(scope="module")
def boosted() -> Boosted:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(80, FEATURES + PLAN)).astype(np.float32)
    logs = np.column_stack([rows[:, 0] - 3, rows[:, 1] + 9]).astype(np.float64)
    return fit_boosted(rows, rng.random(80), logs, np.arange(80) % 2, np.ones(80), 1, lambda: None).module


@pytest.fixture
def predictor(boosted: Boosted) -> Predictor:
    torch.manual_seed(3)
    return Predictor([Member(FEATURES, PLAN) for _ in range(MEMBERS)], boosted, (0.5, 0.25, 0.25)).eval()


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
def test_whatever_the_inputs_a_networks_quality_is_one(size: float) -> None:
    torch.manual_seed(5)
    features, thumbnail, has, rows = inputs(6)
    with torch.no_grad():
        said = Member(FEATURES, PLAN).eval()(size * features, thumbnail, has, size * rows[None])
    assert said.shape == (1, 6, len(ESTIMATES))
    assert ((said[..., 0] >= 0) & (said[..., 0] <= 1)).all()


def test_shares_lie_between_trees_and_networks(predictor: Predictor, boosted: Boosted) -> None:
    features, thumbnail, has, rows = inputs(3)
    members = [member for member in predictor.members if isinstance(member, Member)]
    said = {}
    with torch.no_grad():
        for share in (0.0, 0.5, 1.0):
            made = Predictor(members, boosted, (share, share, share)).eval()
            said[share] = made(features, thumbnail, has, rows)[:, ESTIMATES]
        trees = boosted(torch.cat([features.expand(3, -1).clamp(-4, 4), rows], dim=1))
    assert torch.allclose(said[0.0], trees[:, ESTIMATES], atol=1e-6)
    assert torch.allclose(said[0.5], (said[0.0] + said[1.0]) / 2, atol=1e-5)


def test_upper_bounds_stay_above_estimates(predictor: Predictor) -> None:
    with torch.no_grad():
        answer = predictor(*inputs(8))
    assert (answer[:, 3] > answer[:, 2]).all()
    assert (answer[:, 5] > answer[:, 4]).all()
