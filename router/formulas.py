"""Plans from closed formulas: the `performance` preset and the `feature_mapping` ladder; no model is involved."""

import math
from typing import NamedTuple

from router._features import Features
from router._plan import Plan
from router._rules import UNKNOWN_AREA

# Upscale steps worth trying, and the most pixels that may be traced at steps up to 3 and above: beyond these a trace
# takes longer than the quality it adds is worth (0.3 s per million pixels).
STEPS = (1, 2, 3, 4, 6, 8)
MOST_TRACED, MOST_TRACED_FINE = 4_500_000, 1_600_000
FINE_STEP = 3
LONGEST_TRACED_SIDE = 65_534  # VTracer refuses more


def ladder(features: Features, count: int = len(STEPS)) -> tuple[int, ...]:
    """Return the upscale steps, at most `count`, that an image of this size can afford, finest last."""
    area = features.image_area or UNKNOWN_AREA
    aspect = features.aspect_ratio or 1.0
    longest = LONGEST_TRACED_SIDE / math.sqrt(area * max(aspect, 1 / aspect))
    affordable = [
        s for s in STEPS if area * s * s <= (MOST_TRACED if s <= FINE_STEP else MOST_TRACED_FINE) and s <= longest
    ]
    return tuple(affordable[-count:]) or (1,)


def performance_plans(_: Features) -> tuple[Plan, ...]:
    """Return the one fixed preset: a polygon trace at 1x with few layers, the least time at acceptable quality."""
    return (Plan(color_precision=5, layer_difference=48),)


def feature_mapping_plans(features: Features) -> tuple[Plan, ...]:
    """Return up to three plans, coarse, middle and fine, from the closed formulas."""
    steps = ladder(features)
    chosen = dict.fromkeys((steps[0], steps[len(steps) // 2], steps[-1]))
    return tuple(_mapped(features, step) for step in chosen)


class Line(NamedTuple):
    """value = intercept + slope * x, clamped to low..high."""

    intercept: float
    slope: float
    low: float
    high: float

    def at(self, x: float) -> int:
        """Return the value at x as the nearest whole number."""
        return round(min(max(self.intercept + self.slope * x, self.low), self.high))


# Feature -> parameter. The constants of the first five were fitted to the searched images, for the least cost that the
# search's surrogate foretells (training/_fit.py): on average -0.108, where the least-squares lines that
# `python -m training fit` prints come to -0.102. The others follow VTracer's documented meaning: they act on splines,
# which the search hardly ever chose, and the last one on the digits of coordinates.
COLOR_PRECISION = Line(3.0, 0.5, 6, 7)  # of math.log2(unique colours)
PALETTE = Line(0.0, 2.0, 4, 16)  # of the palette size
LAYER_DIFFERENCE = Line(48.0, -8.0, 16, 48)  # of the gradient strength
FILTER_SPECKLE = Line(2.0, 1.0, 4, 6)  # of the upscale step
DENOISE = Line(-0.5, 0.67, 0, 1)  # of the noise level: on from about 1.5 luminance steps
CORNER_THRESHOLD = Line(75.0, -100.0, 45, 75)  # of the edge density
LENGTH_THRESHOLD = Line(6.0, -0.4, 3.5, 6)  # of the corner density
SPLICE_THRESHOLD = Line(45.0, 10.0, 45, 70)  # of the gradient strength
MAX_ITERATIONS = Line(6.0, 10.0, 8, 14)  # of the complexity
PATH_PRECISION = Line(1.0, 0.2, 1, 2)  # of the entropy
# Where more of the image than this is softly transparent inside, binary alpha loses shadows and glass.
SOFT_INTERIOR = 0.01


def _mapped(features: Features, step: int) -> Plan:
    known = {name: value for name in _NEUTRAL if (value := getattr(features, name)) is not None}
    x = _NEUTRAL | known
    return Plan(
        upscale=step,
        matte="bands" if x["soft_alpha_interior"] > SOFT_INTERIOR else "binary",
        palette=PALETTE.at(x["palette_size"]),
        denoise=DENOISE.at(x["noise_level"]),
        color_precision=COLOR_PRECISION.at(math.log2(max(x["unique_colors"], 1))),
        layer_difference=LAYER_DIFFERENCE.at(x["gradient_strength"]),
        filter_speckle=FILTER_SPECKLE.at(step),
        corner_threshold=CORNER_THRESHOLD.at(x["edge_density"]),
        length_threshold=max(3.5, LENGTH_THRESHOLD.at(x["corner_density"])),
        splice_threshold=SPLICE_THRESHOLD.at(x["gradient_strength"]),
        max_iterations=MAX_ITERATIONS.at(x["complexity_score"]),
        path_precision=PATH_PRECISION.at(x["entropy"]),
    )


# What stands for a feature that was not measured: the corpus's medians, rounded.
_NEUTRAL: dict[str, float] = {
    "soft_alpha_interior": 0.0,
    "palette_size": 6.0,
    "noise_level": 0.3,
    "unique_colors": 300.0,
    "gradient_strength": 0.8,
    "edge_density": 0.12,
    "corner_density": 2.0,
    "complexity_score": 0.35,
    "entropy": 3.0,
}
