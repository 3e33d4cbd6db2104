"""What a task does: draw one image, run plans on it and measure them. Where tasks run is the engine's business."""

import functools
import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from converter._fixed import FIXED
from converter._refine import Tools, refine
from converter._score import Reference, render
from converter._trace import run_plan
from converter.errors import ConverterError
from models import Export, load_export
from models._policy import PlanPolicy, load_policy
from router import Features, Method, Plan
from router.formulas import MOST_TRACED
from router.pixels import Pixels, decode, measure, premultiplied, thumbnail
from training._corpus import Drawing, drawings, families
from training._explore import cost, explore
from training._images import ImageSpec, draw
from training._plans import Elites, random_plans, read_elites

THUMBNAIL = 32


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One plan run on one image. `seconds` is processor time: what an idle host takes, whatever else ran beside it."""

    origin: str
    plan: Plan
    quality: float
    seconds: float
    wall_seconds: float
    svg_bytes: int
    path_count: int


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One image with everything measured on it; `thumbnail` is 32 x 32 premultiplied RGBA."""

    key: str
    spec: ImageSpec
    features: Features
    thumbnail: bytes
    runs: tuple[Run, ...]
    failures: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does with one image: fixed plans, random ones, and the export's candidates where asked for.

    Random plans lie near what search found where `elites` names the folder it left; `trials` searches this image;
    `refined` runs what the export's policy makes of the plan it starts from, and no other candidate.
    """

    spec: ImageSpec
    fixed: tuple[str, ...] = tuple(FIXED)
    random_plans: int = 0
    elites: Path | None = None
    trials: int = 0
    refined: bool = False
    export: Path | None = None
    corpus: Path
    seed: int = 0


def label(task: Task) -> Label:
    """Draw an image, run its plans and measure them all."""
    return label_plans(task, _plans)


def label_plans(task: Task, plans: Callable[[Task, Features], list[tuple[str, Plan]]]) -> Label:
    """Draw an image, run what `plans` names for it, each with its origin, and measure them all."""
    data = draw(task.spec, _drawing(task.corpus, task.spec))
    pixels = decode(data)
    features = measure(pixels, len(data))
    reference = Reference(pixels)
    runs, failures = [], []
    for origin, plan in plans(task, features):
        try:
            if origin == "ppo":
                runs.append(_run_refined(task, data, pixels, plan))
            else:
                runs.append(_run(pixels, reference, origin, plan))
        except ConverterError as exc:
            failures.append(f"{origin}: {exc}")
    if task.trials:
        runs += explore(
            lambda plan: _run(pixels, reference, "explored", plan),
            lambda run: cost(run.quality, run.svg_bytes, run.seconds),
            features,
            trials=task.trials,
            seed=task.seed,
        )
    return Label(
        key=task.spec.key,
        spec=task.spec,
        features=features,
        thumbnail=thumbnail(premultiplied(pixels), THUMBNAIL).tobytes(),
        runs=tuple(runs),
        failures=tuple(failures),
    )


def _run(pixels: Pixels, reference: Reference, origin: str, plan: Plan) -> Run:
    started = time.thread_time()
    traced = run_plan(pixels, plan)
    seconds = time.thread_time() - started
    return Run(
        origin=origin,
        plan=plan,
        quality=reference.similarity(render(traced.svg)),
        seconds=seconds,
        wall_seconds=traced.seconds,
        svg_bytes=len(traced.svg),
        path_count=traced.path_count,
    )


def _run_refined(task: Task, data: bytes, pixels: Pixels, plan: Plan) -> Run:
    """Refine a plan as the converter does; the figures are those of what came out, the plan that of the start."""
    assert task.export is not None
    started = time.perf_counter()
    tools = Tools(clock=time.thread_time)
    refined = refine(pixels, plan, _policy(task.export), lambda: measure(pixels, len(data)), tools=tools)
    return Run(
        origin="ppo",
        plan=plan,
        quality=refined.quality,
        seconds=refined.seconds,
        wall_seconds=time.perf_counter() - started,
        svg_bytes=refined.svg_bytes,
        path_count=refined.path_count,
    )


@functools.cache
def _policy(folder: Path) -> PlanPolicy | None:
    model = _export(folder).policy
    return None if model is None else load_policy(model)


def _plans(task: Task, features: Features) -> list[tuple[str, Plan]]:
    area = features.image_area or 0
    named = [
        (name, FIXED[name])
        for name in task.fixed
        # Large fixed plans cost minutes of labelling and are only needed where the router is judged against them.
        if task.spec.split != "train" or area * FIXED[name].upscale ** 2 <= MOST_TRACED
    ]
    if task.export is not None:
        # Refinements take as long as four other runs, and a policy is trained after those.
        named += [(m, plan) for m, plan in _candidates(task.export, features) if (m == "ppo") == task.refined]
    rng = random.Random(f"{task.seed}-{task.spec.key}")
    elites = _elites(task.elites) if task.elites is not None else None
    return named + [("random", plan) for plan in random_plans(features, task.random_plans, rng, elites)]


@functools.cache
def _elites(folder: Path) -> Elites:
    return read_elites(folder)


@functools.cache
def _export(folder: Path) -> Export:
    return load_export(folder)


def _candidates(folder: Path, features: Features) -> list[tuple[Method, Plan]]:
    return _export(folder).candidates(features)


@functools.lru_cache(maxsize=16)
def _family(corpus: Path, name: str) -> dict[str, Drawing]:
    family = next(f for f in families() if f.name == name)
    return drawings(corpus / family.archive, family.package)


def _drawing(corpus: Path, spec: ImageSpec) -> Drawing:
    return _family(corpus, spec.family)[spec.drawing]
