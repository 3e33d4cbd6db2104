"""The refinement of the method `ppo`: run a plan, measure it, let the policy name the next one, keep the best in time.

Time is honoured by looking ahead: a plan is only run if it and its measurement are expected to end within what is left,
judged by the traces before it. The first plan always runs.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from converter._alpha import levels
from converter._score import Reference, render
from converter._trace import Traced, run_plan
from converter.errors import ConverterError
from router import Features, Plan
from router.pixels import Pixels, is_opaque

STEPS = 4  # traces, the first one included
# A trace and its measurement may take so many times what those before them let expect.
CAUTION = 1.5
# Before anything was measured: measuring takes as long as tracing each pixel of the image once, and at least this.
MEASURE_PER_TRACE, MEASURE_FIXED = 1.5, 0.001
# Why there is no further step.
NO_POLICY, NO_STEPS, NO_TIME = "no policy", "the last step allowed", "no time for another step"
TARGET_MET, POLICY_STOPPED = "the quality target is met", "the policy expects no gain"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: its plan and figures; `seconds` of the trace, `measure_seconds` of rendering and comparing it."""

    plan: Plan
    quality: float
    seconds: float
    measure_seconds: float
    svg_bytes: int


class Refined(msgspec.Struct, frozen=True, kw_only=True):
    """The best SVG found, its plan and figures, and every step taken.

    `seconds` counts everything until it was known to be the best: traces, measurements and the policy. `reason` says
    why there was no further step.
    """

    svg: str
    plan: Plan
    quality: float
    seconds: float
    svg_bytes: int
    path_count: int
    steps: tuple[Step, ...]
    reason: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a refinement: traces, seconds, bytes, and the quality that is enough; None is no bound."""

    steps: int = STEPS
    seconds_left: float | None = None
    svg_budget: int | None = None
    quality_target: float | None = None


class Policy(Protocol):
    """What names the next plan: `models`' policy, or another search that is compared with it."""

    def next_plan(self, features: Features, attempts: Sequence[Step], best: int) -> Plan | None:
        """Return an untried plan after these attempts, of which `best` is kept so far, or None to stop."""
        ...


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What a refinement works with; tests hand in their own."""

    trace: Callable[[Pixels, Plan], Traced] = run_plan
    draw: Callable[[str], Pixels] = render
    clock: Callable[[], float] = time.perf_counter


NO_LIMITS, REAL_TOOLS = Limits(), Tools()


def refine(
    pixels: Pixels,
    start_plan: Plan,
    policy: Policy | None,
    features: Callable[[], Features],
    limits: Limits = NO_LIMITS,
    tools: Tools = REAL_TOOLS,
) -> Refined:
    """Run a plan and the ones the policy names after it; return the best measured one that keeps the byte budget.

    `features` is asked once, and only if there is time for a second step. Without a policy the start plan runs alone.

    Raises:
        ConverterError: the start plan failed. Later ones that fail end the refinement.
    """
    work = _Work(pixels, limits, tools)
    first = work.trace(start_plan)
    if policy is None or limits.steps < 2 or not work.in_time(start_plan, unmeasured=True):
        # The answer is final before it is measured: measuring is not part of making it.
        seconds = work.seconds
        work.measure(start_plan, first)
        return work.result(seconds, NO_POLICY if policy is None else NO_STEPS if limits.steps < 2 else NO_TIME)
    work.measure(start_plan, first)
    try:
        reason = _continue(work, policy, features)
    except ConverterError as exc:
        reason = str(exc)
    return work.result(work.seconds, reason)


def _continue(work: "_Work", policy: Policy, features: Callable[[], Features]) -> str:
    """Take further steps and return why there is no other."""
    seen: Features | None = None
    while len(work.steps) < work.limits.steps:
        if work.is_good_enough():
            return TARGET_MET
        seen = features() if seen is None else seen
        plan = policy.next_plan(seen, work.steps, work.best)
        if plan is None:
            return POLICY_STOPPED
        if not work.in_time(plan):
            return NO_TIME
        work.measure(plan, work.trace(plan))
    return NO_STEPS


class _Work:
    """A refinement under way: the steps taken, the best of them, and the time."""

    def __init__(self, pixels: Pixels, limits: Limits, tools: Tools) -> None:
        self.limits, self.steps, self.best = limits, list[Step](), 0
        self._pixels, self._tools = pixels, tools
        self._reference = Reference(pixels)
        self._kept: Traced | None = None
        self._started = tools.clock()
        self._rates: list[float] = []  # seconds per traced pixel, of each trace
        self._layers_of: dict[Plan, int] = {}

    @property
    def seconds(self) -> float:
        return self._tools.clock() - self._started

    def trace(self, plan: Plan) -> Traced:
        traced = self._tools.trace(self._pixels, plan)
        self._rates.append(traced.seconds / self._traced_pixels(plan))
        return traced

    def measure(self, plan: Plan, traced: Traced) -> None:
        """Add a step, and keep its SVG if it is the best so far."""
        started = self._tools.clock()
        quality = self._reference.similarity(self._tools.draw(traced.svg))
        step = Step(
            plan=plan,
            quality=quality,
            seconds=traced.seconds,
            measure_seconds=self._tools.clock() - started,
            svg_bytes=len(traced.svg.encode()),
        )
        self.steps.append(step)
        if self._kept is None or self._rank(step) > self._rank(self.steps[self.best]):
            self._kept, self.best = traced, len(self.steps) - 1

    def in_time(self, plan: Plan, *, unmeasured: bool = False) -> bool:
        """Tell whether a plan and its measurement should end in time; `unmeasured`: after measuring the last trace."""
        left = self.limits.seconds_left
        if left is None:
            return True
        needed = max(self._rates) * self._traced_pixels(plan) + (2 if unmeasured else 1) * self._measuring()
        return self.seconds + CAUTION * needed <= left

    def is_good_enough(self) -> bool:
        """Tell whether the best step reaches the target within the byte budget."""
        target, best = self.limits.quality_target, self.steps[self.best]
        return target is not None and best.quality >= target and self._fits(best)

    def result(self, seconds: float, reason: str) -> Refined:
        best = self.steps[self.best]
        assert self._kept is not None
        return Refined(
            svg=self._kept.svg,
            plan=best.plan,
            quality=best.quality,
            seconds=seconds,
            svg_bytes=best.svg_bytes,
            path_count=self._kept.path_count,
            steps=tuple(self.steps),
            reason=reason,
        )

    def _measuring(self) -> float:
        """Return what a measurement is expected to take, seconds."""
        if self.steps:
            return max(step.measure_seconds for step in self.steps)
        height, width = self._pixels.shape[:2]
        return MEASURE_FIXED + MEASURE_PER_TRACE * max(self._rates) * float(height * width)

    def _traced_pixels(self, plan: Plan) -> float:
        """Return how many pixels a plan traces; every level of soft alpha is a trace of its own."""
        area = float(self._pixels.shape[0] * self._pixels.shape[1] * plan.upscale**2)
        return area * (self._layers(plan) if plan.matte == "bands" else 1)

    def _layers(self, plan: Plan) -> int:
        if plan not in self._layers_of:
            self._layers_of[plan] = 1 if is_opaque(self._pixels) else len(levels(self._pixels, plan))
        return self._layers_of[plan]

    def _fits(self, step: Step) -> bool:
        return self.limits.svg_budget is None or step.svg_bytes <= self.limits.svg_budget

    def _rank(self, step: Step) -> tuple[bool, float]:
        """Return what the best step has most of: within the byte budget the quality, beyond it few bytes."""
        return (True, step.quality) if self._fits(step) else (False, -step.svg_bytes)
