"""Rows gain what hangs on an image and a plan together."""

import numpy as np
import pytest
import torch

from router import FEATURE_NAMES, Plan
from training._derived import OF_QUALITY, SHOWN, Derived
from training._tables import PLAN_COLUMNS, plan_row

# What an image loses, thousandths: in few colours at 1x, 2x and 4x, of its alpha, and drawn as shapes.
LOST = {
    "lost_in_four_1x": 100.0,
    "lost_in_eight_1x": 80.0,
    "lost_in_sixteen_1x": 60.0,
    "in_four_colors": 50.0,
    "lost_in_eight_2x": 40.0,
    "in_sixteen_colors": 30.0,
    "lost_in_four_4x": 20.0,
    "lost_in_eight_4x": 10.0,
    "lost_in_sixteen_4x": 5.0,
    "hard_alpha": 200.0,
    "lost_alpha_2x": 90.0,
    "lost_alpha_4x": 7.0,
    "lost_drawn_in_three_2x": 70.0,
    "lost_drawn_in_four_2x": 55.0,
    "lost_drawn_in_eight_2x": 45.0,
    "lost_drawn_in_sixteen_2x": 35.0,
    "lost_drawn_in_three_4x": 28.0,
    "lost_drawn_in_four_4x": 24.0,
    "lost_drawn_in_eight_4x": 14.0,
    "lost_drawn_in_sixteen_4x": 8.0,
}


def derived(plan: Plan) -> list[float]:
    """The columns that a plan for such an image gains: losses in thousandths, and the speckle."""
    mean, std = np.full(len(FEATURE_NAMES), 0.5), np.full(len(FEATURE_NAMES), 0.2)
    features = np.zeros(len(FEATURE_NAMES), np.float32)
    for name, lost in LOST.items():
        value = np.log1p(lost) if name.startswith("lost") else 1 - lost / 1000
        features[FEATURE_NAMES.index(name)] = (value - 0.5) / 0.2
    own = plan_row(plan)
    found = Derived(mean, std)(torch.tensor([[*features, *own]]))[0]
    seen = [*features[list(SHOWN)], *own]
    assert found[: len(seen)].tolist() == pytest.approx(seen)
    colors, alpha, speckle, drawn = found[len(seen) :].tolist()
    return [float(np.expm1(colors)), float(np.expm1(alpha)), speckle, float(np.expm1(drawn))]


def test_losses_of_drawn_shapes_are_not_shown_as_they_are() -> None:
    assert {name for place, name in enumerate(FEATURE_NAMES) if place not in SHOWN} == {
        name for name in LOST if name.startswith("lost_drawn_")
    }


@pytest.mark.parametrize(
    ("upscale", "palette", "expected"),
    [
        pytest.param(2, 0, 30.0, id="no palette as sixteen"),
        pytest.param(2, 2, 50.0, id="fewer than four as four"),
        pytest.param(2, 4, 50.0, id="four"),
        pytest.param(2, 8, 40.0, id="eight"),
        pytest.param(2, 64, 30.0, id="more than sixteen as sixteen"),
        pytest.param(1, 4, 100.0, id="native"),
        pytest.param(4, 16, 5.0, id="fourfold"),
        pytest.param(8, 8, 10.0, id="finer as fourfold"),
    ],
)
def test_colours_lose_what_the_plans_own_palette_loses_at_its_own_step(
    upscale: int, palette: int, expected: float
) -> None:
    assert derived(Plan(upscale=upscale, palette=palette))[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("upscale", "palette", "expected"),
    [
        pytest.param(1, 3, 100.0, id="native, where nothing is drawn, as flat in four"),
        pytest.param(1, 8, 80.0, id="native, as flat"),
        pytest.param(2, 2, 70.0, id="fewer than three as three"),
        pytest.param(2, 3, 70.0, id="three"),
        pytest.param(2, 4, 55.0, id="four"),
        pytest.param(2, 16, 35.0, id="sixteen"),
        pytest.param(2, 0, 35.0, id="no palette as sixteen"),
        pytest.param(4, 3, 28.0, id="three, fourfold"),
        pytest.param(8, 8, 14.0, id="finer as fourfold"),
    ],
)
def test_shapes_lose_what_the_plans_own_palette_loses_at_its_own_step(
    upscale: int, palette: int, expected: float
) -> None:
    assert derived(Plan(upscale=upscale, palette=palette))[3] == pytest.approx(expected, rel=1e-3)


def test_between_what_was_measured_logarithms_are_averaged() -> None:
    in_six = derived(Plan(upscale=1, palette=6))[0]
    toward = np.log2(6 / 4)
    assert np.log1p(in_six) == pytest.approx(np.log1p(100) * (1 - toward) + np.log1p(80) * toward, rel=1e-3)


@pytest.mark.parametrize(("upscale", "expected"), [(1, 200.0), (2, 90.0), (4, 7.0), (6, 7.0)])
def test_alpha_loses_what_it_loses_at_the_plans_own_step(upscale: int, expected: float) -> None:
    assert derived(Plan(upscale=upscale))[1] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("upscale", "speckle"), [(1, 6.0), (4, 1.5)])
def test_speckles_are_in_pixels_of_the_image(upscale: int, speckle: float) -> None:
    assert derived(Plan(upscale=upscale, filter_speckle=6))[2] == pytest.approx(speckle)


def test_what_is_lost_shows_in_columns_for_quality_and_in_that_of_the_plans_palette() -> None:
    lost = [place for place, name in enumerate(FEATURE_NAMES) if name.startswith("lost_")]
    own = plan_row(Plan(upscale=2, palette=8))
    rows = torch.tensor([[0.0] * len(FEATURE_NAMES) + own] * 2)
    rows[1, lost] = 1.0
    one, other = Derived(np.full(len(FEATURE_NAMES), 0.5), np.ones(len(FEATURE_NAMES)))(rows)
    differ = set((one != other).nonzero().flatten().tolist())
    assert differ == {*OF_QUALITY, len(SHOWN) + len(PLAN_COLUMNS)}
