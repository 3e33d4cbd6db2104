"""Plans from closed formulas: the `performance` preset, a lean plan and a fine one; no model is involved."""

import math
from typing import NamedTuple

import msgspec

from router._features import Features
from router._plan import Matte, Plan
from router._rules import UNKNOWN_AREA

# Upscale steps worth trying, and the most pixels that may be traced at each: beyond these a trace takes longer than the
# quality it adds is worth (0.1 to 0.3 s per million pixels).
STEPS = (1, 2, 3, 4, 6, 8)
MOST_TRACED = 4_500_000
_MOST_TRACED_AT = {1: MOST_TRACED, 2: MOST_TRACED, 3: 3_000_000, 4: 1_200_000, 6: 1_200_000, 8: 1_200_000}
LONGEST_TRACED_SIDE = 65_534  # VTracer refuses more
# Short sides, pixels, up to which an image is small, and up to which it is tiny.
SMALL, TINY = 64, 28
MOST_DIFFERENCE = 24  # of layers on an enlarged image
# What an image must keep in four colours (SSIM) to be traced in as few, and how many it gets otherwise: below, eight
# have a fifth less error on 72 searched images.
LEAST_IN_FOUR, SEVERAL = 0.9, 8
LEAN_PALETTE = 4  # colours of the lean plan
# Parts below which an image has few, and below which one of up to `SMALL` px has. Of 500 training images 41 came out
# worse than the preset's by 0.08 or more while all were traced as those of many parts are; so it is 10.
FEW_PARTS, FEW_SMALL_PARTS = 1000, 500
SMALLEST_SPECKLE = 2


def ladder(features: Features, count: int = len(STEPS)) -> tuple[int, ...]:
    """Return the upscale steps, at most `count`, that an image of this size can afford, finest last."""
    area = features.image_area or UNKNOWN_AREA
    aspect = features.aspect_ratio or 1.0
    longest = LONGEST_TRACED_SIDE / math.sqrt(area * max(aspect, 1 / aspect))
    affordable = [s for s in STEPS if area * s * s <= _MOST_TRACED_AT[s] and s <= longest]
    return tuple(affordable[-count:]) or (1,)


def performance_plans(features: Features) -> tuple[Plan, ...]:
    """Return the one preset: a trace at 1x with few layers, the least time at acceptable quality.

    A small image is enlarged and reduced beforehand: there that costs a few milliseconds, and VTracer takes strokes of
    one pixel for threads that it had better leave out.
    """
    short = _short_side(features)
    if short > SMALL:
        return (PERFORMANCE,)
    step = 3 if short <= TINY else 2
    return (msgspec.structs.replace(PERFORMANCE_SMALL, upscale=step, matte=_matte(features, FORMULAS)),)


def spared(plan: Plan, features: Features) -> Plan:
    """Return a plan that wipes out no parts of an image.

    Speckles of a small image are hardly more than a pixel at its own size. On an enlarged one few layers save next to
    nothing, as soft edges are too thin for layers of their own, and in rare cases they cost whole drawings: VTracer
    compares means of all that it has merged. Four colours or fewer are for images that keep enough of themselves in
    four.
    """
    speckle = min(plan.filter_speckle, plan.upscale + 1) if _short_side(features) <= SMALL else plan.filter_speckle
    layers = min(plan.layer_difference, MOST_DIFFERENCE) if plan.upscale > 1 else plan.layer_difference
    kept = 1.0 if features.in_four_colors is None else features.in_four_colors
    palette = SEVERAL if 0 < plan.palette <= 4 and kept < LEAST_IN_FOUR else plan.palette
    return msgspec.structs.replace(plan, filter_speckle=speckle, layer_difference=layers, palette=palette)


def feature_mapping_plans(features: Features, formulas: "Formulas | None" = None) -> tuple[Plan, ...]:
    """Return a lean plan and a fine one, from the closed formulas; the lean one alone where no step is affordable."""
    formulas = formulas or FORMULAS
    lean = _lean(features, formulas)
    # `performance` is as fine at 1x, and a candidate goes by its method and step.
    return (lean,) if ladder(features)[-1] == 1 else (lean, fine_plan(features, formulas))


def fine_plan(features: Features, formulas: "Formulas | None" = None) -> Plan:
    """Return the formulas' plan at the finest step that an image can afford."""
    return mapped(features, ladder(features)[-1], formulas or FORMULAS)


class Line(NamedTuple):
    """value = intercept + slope * x, clamped to low..high."""

    intercept: float
    slope: float
    low: float
    high: float

    def at(self, x: float) -> int:
        """Return the value at x as the nearest whole number."""
        return round(min(max(self.intercept + self.slope * x, self.low), self.high))


class Formulas(NamedTuple):
    """The constants of `feature_mapping`: what each parameter hangs on, and how.

    The first four are fitted to the searched images, for the least cost that the search's surrogate foretells where
    bytes and seconds weigh little; the next two part the images where bands cost less from those where binary alpha
    does, over the 751 pairs of such runs there. `python -m training fit` proposes all six. The others follow VTracer's
    documented meaning: they act on curves, which no plan on offer draws, and the last one on their coordinates' digits.
    """

    palette: Line  # of the palette size
    layer_difference: Line  # of the gradient strength
    filter_speckle: Line  # of the upscale step
    denoise: Line  # of the noise level
    soft_interior: float  # above it binary alpha loses shadows and glass,
    hard_alpha: float  # and below it thin strokes
    corner_threshold: Line = Line(75.0, -100.0, 45, 75)  # of the edge density
    length_threshold: Line = Line(6.0, -0.4, 3.5, 6)  # of the corner density
    splice_threshold: Line = Line(45.0, 10.0, 45, 70)  # of the gradient strength
    max_iterations: Line = Line(6.0, 10.0, 8, 14)  # of the complexity
    path_precision: Line = Line(1.0, 0.2, 1, 2)  # of the entropy
    # The lean plan's, of the shorter side: the larger an image, the less it loses, and the more it must leave out. Of
    # 300 training images it takes at most 10 kB for 98 %; without it no plan on offer does for 8 %, with it for 1 %.
    lean_layer_difference: Line = Line(16.0, 0.16, 48, 96)
    lean_filter_speckle: Line = Line(4.0, 0.027, 8, 16)


# A trace at 1x with few layers: 5 kB and 30 ms on average, next to the least there is; small files are what the other
# methods lack. `fit` finds none that is cheaper.
PERFORMANCE = Plan(mode="smooth", filter_speckle=2, layer_difference=48)
# Of 180 training images up to 60 px, 1x leaves thirteen below 0.8 and takes 1 to 2 ms; this leaves one there, in 2 to
# 6 ms and twice the bytes.
PERFORMANCE_SMALL = Plan(mode="smooth", palette=8, color_precision=8, filter_speckle=2, layer_difference=24)
FORMULAS = Formulas(
    palette=Line(1.61, 2.35, 3, 64),
    layer_difference=Line(31.65, -15.18, 0, 64),
    filter_speckle=Line(0.43, 0.1, 1, 8),
    denoise=Line(-0.85, 0.0, 0, 3),
    soft_interior=0.009,
    hard_alpha=0.8084,
)


def mapped(features: Features, step: int, formulas: Formulas) -> Plan:
    """Return the plan that the formulas give an image at an upscale step.

    The palette is always reduced.
    """
    known = {name: value for name in _NEUTRAL if (value := getattr(features, name)) is not None}
    x = _NEUTRAL | known
    plan = Plan(
        upscale=step,
        matte=_matte(features, formulas),
        palette=formulas.palette.at(x["palette_size"]),
        denoise=formulas.denoise.at(x["noise_level"]),
        mode="smooth",
        color_precision=8,
        layer_difference=formulas.layer_difference.at(x["gradient_strength"]),
        filter_speckle=formulas.filter_speckle.at(step),
        corner_threshold=formulas.corner_threshold.at(x["edge_density"]),
        length_threshold=max(3.5, formulas.length_threshold.at(x["corner_density"])),
        splice_threshold=formulas.splice_threshold.at(x["gradient_strength"]),
        max_iterations=formulas.max_iterations.at(x["complexity_score"]),
        path_precision=formulas.path_precision.at(x["entropy"]),
    )
    return spared(plan, features)


def _lean(features: Features, formulas: Formulas) -> Plan:
    """Return a plan for a small file: few colours, and of an image of many parts few layers and no small parts.

    An image of few parts has a small file anyway, and there such plans cost whole drawings (`spared`). A small one is
    enlarged, as for the preset.
    """
    side, finest = _short_side(features), ladder(features)[-1]
    small = side <= SMALL
    few = _parts(features) < (FEW_SMALL_PARTS if small else FEW_PARTS)
    plan = Plan(
        upscale=2 if few and small and finest > 2 else 1,
        matte=_matte(features, formulas),
        palette=LEAN_PALETTE,
        mode="smooth",
        color_precision=8,
        layer_difference=MOST_DIFFERENCE if few else formulas.lean_layer_difference.at(side),
        filter_speckle=SMALLEST_SPECKLE if few else formulas.lean_filter_speckle.at(side),
    )
    return spared(plan, features)


def _parts(features: Features) -> float:
    """Return how many parts an image has, roughly; without end where that was not measured."""
    if features.part_density is None:
        return math.inf
    return features.part_density / 1000 * (features.image_area or UNKNOWN_AREA)


def _matte(features: Features, formulas: Formulas) -> Matte:
    """Return how alpha is handled: bands where binary alpha would lose shadows, glass or thin strokes."""
    interior, hard = features.soft_alpha_interior, features.hard_alpha
    soft = interior is not None and interior > formulas.soft_interior
    return "bands" if soft or (hard is not None and hard < formulas.hard_alpha) else "binary"


def _short_side(features: Features) -> float:
    """Return the shorter side, pixels; of what was not measured, that of a square of its area."""
    return features.short_side or math.sqrt(features.image_area or UNKNOWN_AREA)


# What stands for a feature that was not measured: the corpus's medians, rounded.
_NEUTRAL: dict[str, float] = {
    "palette_size": 6.0,
    "noise_level": 0.3,
    "gradient_strength": 0.8,
    "edge_density": 0.12,
    "corner_density": 2.0,
    "complexity_score": 0.35,
    "entropy": 3.0,
}
