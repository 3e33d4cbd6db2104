"""Rows gain what hangs on an image and a plan together."""

import numpy as np
import pytest
import torch

from router import FEATURE_NAMES, Plan
from training._derived import Derived
from training._tables import plan_row


@pytest.mark.parametrize(
    ("palette", "expected"),
    [
        pytest.param(0, 1.0, id="no palette loses no colour"),
        pytest.param(2, 0.6, id="fewer than four as four"),
        pytest.param(4, 0.6, id="four"),
        pytest.param(8, 0.75, id="half way"),
        pytest.param(16, 0.9, id="sixteen"),
        pytest.param(64, 0.9, id="more as sixteen"),
    ],
)
def test_the_similarity_is_that_in_the_plans_own_number_of_colours(palette: int, expected: float) -> None:
    mean, std = np.full(len(FEATURE_NAMES), 0.5), np.full(len(FEATURE_NAMES), 0.2)
    features = np.zeros(len(FEATURE_NAMES), np.float32)
    for name, value in (("in_four_colors", 0.6), ("in_sixteen_colors", 0.9)):
        features[FEATURE_NAMES.index(name)] = (value - 0.5) / 0.2
    row = [*features, *plan_row(Plan(palette=palette, upscale=4, filter_speckle=6))]
    found = Derived(mean, std)(torch.tensor([row]))[0]
    assert found[: len(row)].tolist() == pytest.approx(row)
    assert found[len(row) :].tolist() == pytest.approx([expected, 1.5])
