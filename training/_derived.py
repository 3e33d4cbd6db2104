"""What hangs on an image and a plan together, worked out for models: they come near products only step by step."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from router import FEATURE_NAMES
from training._tables import LOG_FEATURES, PLAN_COLUMNS

_PLAN = {name: len(FEATURE_NAMES) + place for place, name in enumerate(PLAN_COLUMNS)}
# What an image loses at the steps 1x, 2x and 4x: in palettes of four, eight and sixteen colours, and of its alpha.
_IN_PALETTE = (
    ("lost_in_four_1x", "lost_in_eight_1x", "lost_in_sixteen_1x"),
    ("in_four_colors", "lost_in_eight_2x", "in_sixteen_colors"),
    ("lost_in_four_4x", "lost_in_eight_4x", "lost_in_sixteen_4x"),
)
_OF_ALPHA = ("hard_alpha", "lost_alpha_2x", "lost_alpha_4x")
_FEWEST, _MOST = 4, 16  # colours
# Columns that are shown for quality alone: trees of seconds and bytes are the better for not seeing them (by 1 % of
# their error, on training drawings unseen).
OF_QUALITY = (
    *(place for place, name in enumerate(FEATURE_NAMES) if name.startswith("lost_")),
    len(FEATURE_NAMES) + len(PLAN_COLUMNS) + 1,  # what alpha loses
)


class Derived(nn.Module):
    """Rows of scaled features and a plan, [rows, columns], with three columns more.

    The first is what the image loses in the plan's own number of colours at the plan's own step, between the measured
    ones; the second what its alpha loses there: SSIM, the logarithm of its thousandths. The third is the speckle size
    that is left out, pixels of the image.
    """

    def __init__(self, mean: NDArray[np.float64], std: NDArray[np.float64]) -> None:
        super().__init__()
        self._mean, self._std = mean.tolist(), std.tolist()

    def forward(self, rows: Tensor) -> Tensor:
        """Return [rows, columns + 3]."""
        steps = rows[:, _PLAN["upscale"]] * PLAN_COLUMNS["upscale"]
        palette = rows[:, _PLAN["palette"]] * PLAN_COLUMNS["palette"]
        colors = torch.where(palette < 1, torch.full_like(palette, _MOST), palette.clamp(_FEWEST, _MOST)).log2()
        at_step = [_nearness(steps.clamp(0, 2), place) for place in range(3)]
        at_size = [_nearness(colors, place) for place in range(2, 5)]
        lost = torch.zeros_like(steps)
        for near, names in zip(at_step, _IN_PALETTE, strict=True):
            for close, name in zip(at_size, names, strict=True):
                lost = lost + near * close * self._lost(rows, name)
        alpha = torch.zeros_like(steps)
        for near, name in zip(at_step, _OF_ALPHA, strict=True):
            alpha = alpha + near * self._lost(rows, name)
        speckle = rows[:, _PLAN["filter_speckle"]] * PLAN_COLUMNS["filter_speckle"] / 2.0**steps
        return torch.cat([rows, lost[:, None], alpha[:, None], speckle[:, None]], dim=1)

    def _lost(self, rows: Tensor, name: str) -> Tensor:
        """Return what a feature says is lost, ln(1 + thousandths); those that say what is kept are turned round."""
        place = FEATURE_NAMES.index(name)
        value = rows[:, place] * self._std[place] + self._mean[place]
        lost: Tensor = value if name in LOG_FEATURES else (1000 * (1 - value)).clamp(min=0).log1p()
        return lost


def _nearness(values: Tensor, place: int) -> Tensor:
    """Return how near values lie to a whole number, 1 there and 0 from its neighbours on."""
    return (1 - (values - place).abs()).clamp(min=0)
