"""What the policy learns from beside the labels: many plans around the one that refinement starts from, really run."""

import random
from pathlib import Path

import msgspec

from models._methods import refinement_start
from router import Features, Plan
from router.formulas import ladder
from training._run import Label, Task, _export, label_plans

# Every number of colours that differs visibly from its neighbours; 0 is no reduction.
PALETTES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128)
LAYER_DIFFERENCES = (0, 4, 8, 16, 24)
FILTER_SPECKLES = (1, 4, 6, 8)
DENOISES = (0, 1, 2, 3)
# What a palette is worth hardly hangs on the step, its time does: no probe traces more pixels than this.
MOST_PROBED = 300_000
PROBED_STEPS = 3
ORIGIN = "probe"


def probe(task: Task) -> Label:
    """Draw an image, run `random_plans` plans around the one that refinement starts from, and measure them all."""
    return label_plans(task, _probes)


def _probes(task: Task, features: Features) -> list[tuple[str, Plan]]:
    rng = random.Random(f"{task.seed}-{task.spec.key}")
    return [(ORIGIN, plan) for plan in probes(features, refinement_start(features), task.random_plans, rng)]


def start_plans(export: Path, features: Features) -> list[Plan]:
    """Return what a policy learns to start from: where refinement starts, and as often any of the export's plans."""
    others = [plan for method, plan in _export(export).candidates(features) if method != "ppo"]
    return [*others, *[refinement_start(features)] * len(others)]


def probes(features: Features, start: Plan, count: int, rng: random.Random) -> list[Plan]:
    """Return `count` plans: the start, then changes of it in which each number of colours has its turn."""
    area = features.image_area or MOST_PROBED
    steps = [step for step in ladder(features) if area * step**2 <= MOST_PROBED][-PROBED_STEPS:] or [1]
    start = msgspec.structs.replace(start, upscale=steps[-1])
    soft = (features.soft_alpha_fraction or 0) > 0
    turns = [palette for _ in range(-(-count // len(PALETTES))) for palette in rng.sample(PALETTES, len(PALETTES))]
    changed = [
        msgspec.structs.replace(
            start,
            upscale=rng.choice(steps),
            palette=palette,
            layer_difference=rng.choice((start.layer_difference, *LAYER_DIFFERENCES)),
            denoise=rng.choice((start.denoise, start.denoise, *DENOISES)),
            filter_speckle=rng.choice((start.filter_speckle, *FILTER_SPECKLES)),
            matte="bands" if soft and rng.random() < 0.3 else "binary",
        )
        for palette in turns
    ]
    return list(dict.fromkeys([start, *changed]))[:count]
