"""What hangs on an image and a plan together, worked out for models: they come near products only step by step."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from router import FEATURE_NAMES
from training._tables import LOG_FEATURES, PLAN_COLUMNS

_PLAN = {name: len(FEATURE_NAMES) + place for place, name in enumerate(PLAN_COLUMNS)}
# What an image loses at the steps 1x, 2x and 4x: in palettes of four, eight and sixteen colours; drawn as shapes in
# three colours, too, but for 1x, where nothing is drawn; and of its alpha.
_AT_1X = ("lost_in_four_1x", "lost_in_eight_1x", "lost_in_sixteen_1x")
_IN_PALETTE = (
    _AT_1X,
    ("in_four_colors", "lost_in_eight_2x", "in_sixteen_colors"),
    ("lost_in_four_4x", "lost_in_eight_4x", "lost_in_sixteen_4x"),
)
_DRAWN = (
    (_AT_1X[0], *_AT_1X),
    ("lost_drawn_in_three_2x", "lost_drawn_in_four_2x", "lost_drawn_in_eight_2x", "lost_drawn_in_sixteen_2x"),
    ("lost_drawn_in_three_4x", "lost_drawn_in_four_4x", "lost_drawn_in_eight_4x", "lost_drawn_in_sixteen_4x"),
)
_OF_ALPHA = ("hard_alpha", "lost_alpha_2x", "lost_alpha_4x")
_WIDTHS = [sum(map(len, rows)) for rows in (_IN_PALETTE, _DRAWN, [_OF_ALPHA])]
_FEWEST, _FEW, _MOST = 3, 4, 16  # colours
# Features that the predictor sees only through the column derived of them: shown each by itself, they gain nothing.
_HIDDEN = frozenset(name for row in _DRAWN[1:] for name in row)
SHOWN = tuple(place for place, name in enumerate(FEATURE_NAMES) if name not in _HIDDEN)  # places of the others
_DERIVED = len(SHOWN) + len(PLAN_COLUMNS)  # the first derived column
# Columns that are shown for quality alone: trees of seconds and bytes are the better for not seeing them (by 1 % of
# their error, on training drawings unseen).
OF_QUALITY = (
    *(column for column, place in enumerate(SHOWN) if FEATURE_NAMES[place].startswith("lost_")),
    _DERIVED + 1,  # what alpha loses
    _DERIVED + 3,  # what is lost where shapes are drawn
)


class Derived(nn.Module):
    """Rows of scaled features and a plan, [rows, columns], without the hidden features, and with four columns more.

    The first is what the image loses in the plan's own number of colours at the plan's own step, between the measured
    ones; the second what its alpha loses there: SSIM, the logarithm of its thousandths. The third is the speckle size
    that is left out, pixels of the image; the fourth what the image loses in the plan's colours drawn as shapes.
    """

    shown: Tensor
    places: Tensor
    kept: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, mean: NDArray[np.float64], std: NDArray[np.float64]) -> None:
        super().__init__()
        names = [name for row in (*_IN_PALETTE, *_DRAWN, _OF_ALPHA) for name in row]
        places = [FEATURE_NAMES.index(name) for name in names]
        self.register_buffer("shown", torch.tensor([*SHOWN, *_PLAN.values()]))
        self.register_buffer("places", torch.tensor(places))
        self.register_buffer("kept", torch.tensor([name not in LOG_FEATURES for name in names]))
        self.register_buffer("mean", torch.tensor(mean[places], dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std[places], dtype=torch.float32))

    def forward(self, rows: Tensor) -> Tensor:
        """Return [rows, shown columns + 4]."""
        steps = rows[:, _PLAN["upscale"]] * PLAN_COLUMNS["upscale"]
        palette = rows[:, _PLAN["palette"]] * PLAN_COLUMNS["palette"]
        colors = torch.where(palette < 1, torch.full_like(palette, _MOST), palette.clamp(_FEWEST, _MOST))
        # Three colours lie as far from four as four from eight.
        sizes = torch.where(colors < _FEW, colors - 2, colors.log2())
        at_step = _nearness(steps.clamp(0, 2), (0, 1, 2))
        said = rows[:, self.places] * self.std + self.mean
        # ln(1 + thousandths); features that say what is kept are turned round.
        lost = torch.where(self.kept, (1000 * (1 - said)).clamp(min=0).log1p(), said)
        flat, drawn, of_alpha = lost.split(_WIDTHS, dim=1)
        speckle = rows[:, _PLAN["filter_speckle"]] * PLAN_COLUMNS["filter_speckle"] / 2.0**steps
        return torch.cat(
            [
                rows[:, self.shown],
                _at(flat, at_step, _nearness(sizes.clamp(min=2), (2, 3, 4))),
                (at_step * of_alpha).sum(dim=1, keepdim=True),
                speckle.unsqueeze(1),
                _at(drawn, at_step, _nearness(sizes, (1, 2, 3, 4))),
            ],
            dim=1,
        )


def _at(lost: Tensor, at_step: Tensor, at_size: Tensor) -> Tensor:
    """Return what is lost at a plan's step and palette, [rows, 1]; `lost` goes through the sizes of each step."""
    near = (at_step.unsqueeze(2) * at_size.unsqueeze(1)).flatten(1)
    return (near * lost).sum(dim=1, keepdim=True)


def _nearness(values: Tensor, places: tuple[int, ...]) -> Tensor:
    """Return how near values lie to each of some whole numbers, [values, places]: 1 there, 0 from its neighbours on."""
    return (1 - (values.unsqueeze(1) - values.new_tensor(places)).abs()).clamp(min=0)
