"""What the policy learns from beside the labels: many plans around the one that refinement starts from, really run."""

import random
import time
from pathlib import Path

import msgspec

from converter._score import Reference, render
from converter._trace import run_plan
from converter.errors import ConverterError
from models._methods import refinement_start
from router import Features, Plan
from router.formulas import ladder
from router.pixels import Pixels, decode, measure, premultiplied, thumbnail
from training._images import draw
from training._run import THUMBNAIL, Label, Run, Task, _drawing, _export

# Every number of colours that differs visibly from its neighbours; 0 is no reduction.
PALETTES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128)
LAYER_DIFFERENCES = (0, 4, 8, 16, 24, 32, 48, 64)
COLOR_PRECISIONS = (5, 6, 7, 8)
FILTER_SPECKLES = (1, 4, 6, 8)
DENOISES = (0, 1, 2, 3)
# Pixel outlines (`none`) are nearly always closest at the same step; curves hardly ever.
MODES = ("none", "none", "none", "polygon", "polygon", "spline")
# What a palette is worth hardly hangs on the step, its time does: no probe traces more pixels than this.
MOST_PROBED = 300_000
PROBED_STEPS = 3
ORIGIN = "probe"


def probe(task: Task) -> Label:
    """Draw an image, run `random_plans` plans around the one that refinement starts from, and measure them all."""
    data = draw(task.spec, _drawing(task.corpus, task.spec))
    pixels = decode(data)
    features, reference = measure(pixels, len(data)), Reference(pixels)
    rng = random.Random(f"{task.seed}-{task.spec.key}")
    runs, failures = [], []
    for plan in probes(features, refinement_start(features), task.random_plans, rng):
        try:
            runs.append(_measured(pixels, reference, plan))
        except ConverterError as exc:
            failures.append(f"{ORIGIN}: {exc}")
    return Label(
        key=task.spec.key,
        spec=task.spec,
        features=features,
        thumbnail=thumbnail(premultiplied(pixels), THUMBNAIL).tobytes(),
        runs=tuple(runs),
        failures=tuple(failures),
    )


def _measured(pixels: Pixels, reference: Reference, plan: Plan) -> Run:
    started = time.thread_time()
    traced = run_plan(pixels, plan)
    seconds = time.thread_time() - started
    return Run(
        origin=ORIGIN,
        plan=plan,
        quality=reference.similarity(render(traced.svg)),
        seconds=seconds,
        wall_seconds=traced.seconds,
        svg_bytes=len(traced.svg),
        path_count=traced.path_count,
    )


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
            color_precision=rng.choice((start.color_precision, *COLOR_PRECISIONS)),
            filter_speckle=rng.choice((start.filter_speckle, *FILTER_SPECKLES)),
            mode=rng.choice(MODES),
            matte="bands" if soft and rng.random() < 0.3 else "binary",
        )
        for palette in turns
    ]
    return list(dict.fromkeys([start, *changed]))[:count]
