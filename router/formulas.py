"""Plans from closed formulas: the `performance` preset and the `feature_mapping` ladder; no model is involved."""

from math import log2

from router._features import Features
from router._plan import Plan
from router._rules import UNKNOWN_AREA

# Upscale steps worth trying, and the most pixels that may be traced at steps up to 3 and above: beyond these a trace
# takes longer than the quality it adds is worth (0.3 s per million pixels).
STEPS = (1, 2, 3, 4, 6, 8)
MOST_TRACED, MOST_TRACED_FINE = 4_500_000, 1_600_000
FINE_STEP = 3


def ladder(features: Features, count: int = len(STEPS)) -> tuple[int, ...]:
    """Return the upscale steps, at most `count`, that an image of this size can afford, finest last."""
    area = features.image_area or UNKNOWN_AREA
    affordable = [s for s in STEPS if area * s * s <= (MOST_TRACED if s <= FINE_STEP else MOST_TRACED_FINE)] or [1]
    return tuple(affordable[-count:])


def performance_plans(_: Features) -> tuple[Plan, ...]:
    """Return the one fixed preset: a polygon trace at 1x, few layers."""
    return (Plan(layer_difference=32, filter_speckle=3),)


def feature_mapping_plans(features: Features) -> tuple[Plan, ...]:
    """Return up to three plans, coarse, middle and fine, from the closed formulas."""
    steps = ladder(features)
    chosen = dict.fromkeys((steps[0], steps[len(steps) // 2], steps[-1]))
    return tuple(
        Plan(upscale=step, color_precision=round(min(8, max(5, log2(features.unique_colors or 64))))) for step in chosen
    )
