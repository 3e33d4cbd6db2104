"""The plan policy against the plan it starts from, random search and TPE: real conversions on held-out images.

All searches go through the converter's own loop. Its clock is the processor time that each part took, so that an idle
host is judged, whatever else this one does; a plan that two searches run is run once.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from converter._refine import STEPS, Limits, Policy, Refined, Tools, refine
from converter._score import Reference, render
from converter._trace import Traced, run_plan
from models import PlanPolicy
from router import Features, Plan
from router.pixels import Pixels, measure
from training._images import ImageSpec
from training._searches import RandomSearch, TreeParzenSearch, plain

BUDGETS: tuple[float | None, ...] = (None, 0.3, 0.1)
# A search that is given another's time may take as many steps as fit.
MANY_STEPS = 12
# What is beyond a budget by less is the clock's own noise.
OVERRUN = 1.02


class Replay:
    """Tools whose clock counts processor time; what was traced before comes back with the time it took then."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels, self._traced = pixels, dict[Plan, Traced]()
        self._drawn = dict[str, tuple[Pixels, float]]()
        self._now = 0.0
        reference, started = Reference(pixels), time.thread_time()
        reference.similarity(pixels)
        self._comparing = time.thread_time() - started

    def tools(self) -> Tools:
        """Return the tools for one refinement."""
        return Tools(trace=self._trace, draw=self._draw, clock=lambda: self._now)

    def features(self, file_size: int) -> Features:
        """Return the image's features; measuring them takes its time."""
        started = time.thread_time()
        found = measure(self._pixels, file_size)
        self._now += time.thread_time() - started
        return found

    def _trace(self, pixels: Pixels, plan: Plan) -> Traced:
        if plan not in self._traced:
            started = time.thread_time()
            traced = run_plan(pixels, plan)
            self._traced[plan] = msgspec.structs.replace(traced, seconds=time.thread_time() - started)
        self._now += self._traced[plan].seconds
        return self._traced[plan]

    def _draw(self, svg: str) -> Pixels:
        if svg not in self._drawn:
            started = time.thread_time()
            drawn = render(svg)
            self._drawn[svg] = drawn, time.thread_time() - started
        drawn, seconds = self._drawn[svg]
        self._now += seconds + self._comparing
        return drawn


class Held(msgspec.Struct, frozen=True):
    """A held-out image: its pixels, the bytes of its file, and the plan that refinement starts from."""

    spec: ImageSpec
    pixels: Pixels
    file_size: int
    start: Plan


class Figures(msgspec.Struct, frozen=True):
    """What one way of searching reached on one image."""

    quality: float
    seconds: float
    svg_bytes: float
    steps: float
    overrun: float


def compare(held: Held, policy: PlanPolicy, seed: int, budget: float | None) -> dict[str, Figures]:
    """Return what each way reaches on an image within a budget in seconds, the start plan included.

    `random` and `tpe` take as many steps as the policy may, from the same start; `... same time` as many as fit into
    the time that the policy took; `... from scratch` start from a plan that knows nothing of the image.
    """
    replay = Replay(held.pixels)

    def run(
        search: Policy | None, start: Plan = held.start, steps: int = STEPS, left: float | None = budget
    ) -> Refined:
        limits = Limits(steps=steps, seconds_left=left)
        return refine(held.pixels, start, search, lambda: replay.features(held.file_size), limits, replay.tools())

    moves = policy.spec.moves
    refined = run(policy)
    ways: Mapping[str, Callable[[], Refined]] = {
        "start": lambda: run(None),
        "ppo": lambda: refined,
        "random": lambda: run(RandomSearch(moves, seed)),
        "tpe": lambda: run(TreeParzenSearch(moves, seed)),
        "random, same time": lambda: run(RandomSearch(moves, seed), steps=MANY_STEPS, left=refined.seconds),
        "tpe, same time": lambda: run(TreeParzenSearch(moves, seed), steps=MANY_STEPS, left=refined.seconds),
        "random, from scratch": lambda: run(RandomSearch(moves, seed), plain(held.start)),
        "tpe, from scratch": lambda: run(TreeParzenSearch(moves, seed), plain(held.start)),
    }
    return {name: _figures(way(), budget) for name, way in ways.items()}


def _figures(found: Refined, budget: float | None) -> Figures:
    return Figures(
        quality=found.quality,
        seconds=found.seconds,
        svg_bytes=found.svg_bytes,
        steps=len(found.steps),
        # The first trace always runs; what it takes beyond the budget is no doing of the search.
        overrun=float(budget is not None and found.seconds > max(budget, found.steps[0].seconds) * OVERRUN),
    )


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Means over images; `error_ratio` is the mean error over that of the start plan alone under the same budget.

    `better` is the share of images on which the quality is above the start plan's.
    """

    images: int
    quality: float
    error_ratio: float
    better: float
    seconds: float
    svg_bytes: float
    steps: float
    overrun: float


def summarise(found: Iterable[Mapping[str, Figures]]) -> dict[str, Summary]:
    """Return the means of each way of searching."""
    columns: dict[str, list[Figures]] = defaultdict(list)
    for one in found:
        for name, figures in one.items():
            columns[name].append(figures)
    return {name: _summary(figures, columns["start"]) for name, figures in columns.items()}


def _summary(figures: Sequence[Figures], plain_ones: Sequence[Figures]) -> Summary:
    means = {name: float(np.mean([getattr(f, name) for f in figures])) for name in Figures.__struct_fields__}
    before = 1 - float(np.mean([f.quality for f in plain_ones]))
    return Summary(
        images=len(figures),
        error_ratio=(1 - means["quality"]) / max(before, 1e-9),
        better=float(np.mean([f.quality > p.quality + 1e-6 for f, p in zip(figures, plain_ones, strict=True)])),
        **means,
    )


def spread_over_families(specs: Sequence[ImageSpec], count: int) -> Iterator[ImageSpec]:
    """Yield up to `count` specs, families in turn, in the order given within each."""
    by_family: dict[str, list[ImageSpec]] = defaultdict(list)
    for spec in specs:
        by_family[spec.family].append(spec)
    waiting = [by_family[name] for name in sorted(by_family)]
    given = 0
    while given < count and any(waiting):
        for family in waiting:
            if family and given < count:
                yield family.pop(0)
                given += 1
