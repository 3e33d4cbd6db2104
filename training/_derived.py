"""What hangs on an image and a plan together, worked out for trees: they come near products only step by step."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from router import FEATURE_NAMES
from training._tables import PLAN_COLUMNS

_PLAN = {name: len(FEATURE_NAMES) + place for place, name in enumerate(PLAN_COLUMNS)}
_FOUR, _SIXTEEN = FEATURE_NAMES.index("in_four_colors"), FEATURE_NAMES.index("in_sixteen_colors")


class Derived(nn.Module):
    """Rows of scaled features and a plan, [rows, columns], with two columns more.

    The first is the image's SSIM in the plan's own number of colours, between those in four and in sixteen; 1 without a
    palette. The second is the speckle size that is left out, pixels of the image.
    """

    def __init__(self, mean: NDArray[np.float64], std: NDArray[np.float64]) -> None:
        super().__init__()
        self._four, self._sixteen = ((float(mean[at]), float(std[at])) for at in (_FOUR, _SIXTEEN))

    def forward(self, rows: Tensor) -> Tensor:
        """Return [rows, columns + 2]."""
        four = rows[:, _FOUR] * self._four[1] + self._four[0]
        sixteen = rows[:, _SIXTEEN] * self._sixteen[1] + self._sixteen[0]
        palette = rows[:, _PLAN["palette"]] * PLAN_COLUMNS["palette"]
        toward = ((palette.clamp(min=1).log2() - 2) / 2).clamp(0, 1)
        own = torch.where(palette < 1, torch.ones_like(four), four + toward * (sixteen - four))
        enlarged = 2.0 ** (rows[:, _PLAN["upscale"]] * PLAN_COLUMNS["upscale"])
        speckle = rows[:, _PLAN["filter_speckle"]] * PLAN_COLUMNS["filter_speckle"] / enlarged
        return torch.cat([rows, own[:, None], speckle[:, None]], dim=1)
