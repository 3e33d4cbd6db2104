"""Narrow layers answer next to what the layers they are made of answer."""

import copy
import io

import pytest
import torch
from torch import nn

from training._narrow import FEWEST, Narrow, narrowed


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(40, 64), nn.SiLU(), nn.Sequential(nn.Linear(64, 64), nn.SiLU()), nn.Linear(64, 3))


def test_a_narrow_layer_is_off_by_half_a_step_of_each_weight_at_most() -> None:
    torch.manual_seed(2)
    layer = nn.Linear(30, 20)
    narrow = Narrow(layer)
    off = (narrow.weight.float() * narrow.step - layer.weight).abs()
    assert (off <= 0.5001 * layer.weight.abs().amax(dim=1, keepdim=True) / 127).all()


def test_the_whole_network_answers_nearly_the_same(network: nn.Sequential) -> None:
    rows = torch.randn(50, 40)
    with torch.no_grad():
        own, made = network(rows), narrowed(network)(rows)
    assert (own - made).abs().max() < 0.02 * own.abs().max()
    assert not torch.equal(own, made)


def test_what_ends_in_figures_stays_as_it_is(network: nn.Sequential) -> None:
    made = narrowed(network)
    kinds = [type(one) for one in made.modules() if isinstance(one, Narrow | nn.Linear)]
    assert kinds == [Narrow, Narrow, nn.Linear]
    assert FEWEST > 3


def test_what_it_is_made_of_is_left_alone(network: nn.Sequential) -> None:
    before = copy.deepcopy(network.state_dict())
    narrowed(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_layer_of_noughts_stays_one() -> None:
    layer = nn.Linear(4, FEWEST)
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        assert torch.equal(Narrow(layer)(torch.ones(1, 4))[0], layer.bias)


def test_it_takes_a_quarter_of_the_room(network: nn.Sequential) -> None:
    sizes = []
    for one in (nn.Linear(300, 300), Narrow(nn.Linear(300, 300))):
        told = io.BytesIO()
        torch.save(one.state_dict(), told)
        sizes.append(told.tell())
    assert sizes[1] < 0.3 * sizes[0]
