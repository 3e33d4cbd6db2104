"""The predictor sees an image once, scores all its plans alike, and its numbers keep their order."""

import pytest
import torch

from training._network import MEMBERS, OUTPUTS, SMALLEST_SPREAD, Member, Predictor, readable

FEATURES, PLAN = 7, 5


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(3)
    return Predictor([Member(FEATURES, PLAN) for _ in range(MEMBERS)]).eval()


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
def test_whatever_the_raw_numbers_the_outputs_make_sense(size: float) -> None:
    torch.manual_seed(5)
    quality, spread, seconds, seconds_high, bytes_, bytes_high = readable(size * torch.randn(200, 6)).unbind(-1)
    assert ((quality >= 0) & (quality <= 1)).all()
    assert (spread >= SMALLEST_SPREAD).all()
    assert (seconds_high >= seconds).all()
    assert (bytes_high >= bytes_).all()
