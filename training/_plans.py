"""Which plans are run on an image: the fixed ones everybody knows, and random ones from the region worth searching."""

import random

from router import Features, Plan
from router.formulas import ladder

PALETTES = (0, 0, 3, 4, 6, 8, 12, 16, 24, 32, 64)


def random_plans(features: Features, count: int, rng: random.Random) -> list[Plan]:
    """Draw plans, upscale steps in turn, from the region where earlier search found good ones."""
    steps = ladder(features)
    return [random_plan(features, steps[i % len(steps)], rng) for i in range(count)]


def random_plan(features: Features, upscale: int, rng: random.Random) -> Plan:
    soft = (features.soft_alpha_interior or 0) > 0.005
    rough = (features.noise_level or 0) > 1.0 or (features.blockiness or 1) > 1.2
    return Plan(
        upscale=upscale,
        matte="bands" if soft and rng.random() < 0.3 else "binary",
        palette=rng.choice(PALETTES),
        denoise=rng.choice((0, 1, 2, 3)) if rough else 0,
        mode="spline" if rng.random() < 0.15 else "polygon",
        color_precision=rng.choice((5, 6, 6, 7, 8)),
        layer_difference=rng.choice((0, 8, 16, 24, 32, 48, 64)),
        filter_speckle=rng.choice((1, 2, 3, 4, 5, 6, 8)) if upscale > 1 else rng.choice((1, 2, 3, 4)),
        corner_threshold=rng.choice((30, 45, 60, 75, 90)),
        length_threshold=rng.choice((3.5, 4.0, 6.0, 8.0)),
        splice_threshold=rng.choice((20, 45, 70)),
    )
