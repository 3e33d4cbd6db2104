"""Layers whose weights have eight bits: next to as good as those they are made of, in a quarter of the room."""

import copy

import torch
from torch import Tensor, nn

FEWEST = 16  # outputs of a layer that is worth it: what ends in a figure stays as it is
_MOST = 127.0


class Narrow(nn.Module):
    """A linear layer with whole numbers for weights, and what they count in for each output."""

    weight: Tensor
    step: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        step = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _MOST
        self.register_buffer("weight", (weight / step).round().to(torch.int8))
        self.register_buffer("step", step)
        self.register_buffer("bias", layer.bias.detach().clone())

    def forward(self, rows: Tensor) -> Tensor:
        """Return [.., outputs]."""
        return nn.functional.linear(rows, self.weight.float() * self.step, self.bias)


def narrowed(network: nn.Module) -> nn.Module:
    """Return a copy of a network whose larger linear layers are narrow."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child.out_features >= FEWEST:
                setattr(parent, name, Narrow(child))
    return network
