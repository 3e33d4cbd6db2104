"""The refinement with tools of the test's own: which step is taken, which SVG is kept, and when there is no time."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from converter import refine, run_plan, similarity
from converter._alpha import levels
from converter._refine import (
    NO_LIMITS,
    NO_POLICY,
    NO_STEPS,
    NO_TIME,
    POLICY_STOPPED,
    TARGET_MET,
    Limits,
    Refined,
    Step,
    Tools,
)
from converter._score import render
from converter._trace import Traced
from converter.errors import ConversionFailed, ResultTooLarge
from router import Features, Plan
from router.pixels import Pixels
from tests.converter.pictures import checked, shadowed
from tests.router.drawings import plain

START = Plan(upscale=1)
WHITE = plain((255, 255, 255), side=100)  # 10,000 pixels


class Listed:
    """A policy that names plans from a list, then stops."""

    def __init__(self, *plans: Plan) -> None:
        self.asked: list[tuple[int, int]] = []
        self._plans = list(plans)

    def next_plan(self, features: Features, attempts: Sequence[Step], best: int) -> Plan | None:
        self.asked.append((len(attempts), best))
        return self._plans.pop(0) if self._plans else None


class Bench:
    """Tools whose clock the test turns: a trace takes `rate` seconds a pixel, a measurement `measuring` seconds.

    A plan's palette is its quality in percent and its SVG's bytes in hundreds, so that tables read well.
    """

    def __init__(self, rate: float = 1e-6, measuring: float = 0.002) -> None:
        self.now, self.traced = 0.0, list[Plan]()
        self.rate, self.measuring = rate, measuring

    def tools(self) -> Tools:
        return Tools(trace=self.trace, draw=self.draw, clock=lambda: self.now)

    def trace(self, pixels: Pixels, plan: Plan) -> Traced:
        if plan.palette == 13:
            raise ConversionFailed("no luck")
        seconds = self.rate * pixels.shape[0] * pixels.shape[1] * plan.upscale**2
        self.now += seconds
        self.traced.append(plan)
        return Traced(svg=str(plan.palette).rjust(100 * plan.palette), seconds=seconds, path_count=plan.palette)

    def draw(self, svg: str) -> Pixels:
        """Return white with as much black noise as the quality lacks."""
        self.now += self.measuring
        drawn = WHITE.copy()
        drawn[: 100 - int(svg), :, :3] = 0
        return drawn


def plan(palette: int, upscale: int = 1) -> Plan:
    return Plan(upscale=upscale, palette=palette)


def refined(
    bench: Bench, policy: Listed | None, limits: Limits = NO_LIMITS, features: Callable[[], Features] = Features
) -> Refined:
    return refine(WHITE, plan(50), policy, features, limits, bench.tools())


def test_the_best_measured_plan_is_kept_wherever_it_came() -> None:
    policy = Listed(plan(70), plan(60), plan(40))
    found = refined(Bench(), policy)
    assert (found.plan, found.path_count, found.svg_bytes) == (plan(70), 70, 7000)
    assert [step.plan.palette for step in found.steps] == [50, 70, 60, 40]
    assert found.quality == max(step.quality for step in found.steps)
    assert policy.asked == [(1, 0), (2, 1), (3, 1)]
    assert found.reason == NO_STEPS


def test_seconds_count_traces_measurements_and_the_policy() -> None:
    bench = Bench(rate=1e-6, measuring=0.002)

    def slow() -> Features:
        bench.now += 0.5
        return Features()

    found = refined(bench, Listed(plan(70, upscale=2)), features=slow)
    assert found.seconds == pytest.approx(0.01 + 0.002 + 0.5 + 0.04 + 0.002)
    assert [step.seconds for step in found.steps] == pytest.approx([0.01, 0.04])
    assert [step.measure_seconds for step in found.steps] == pytest.approx([0.002, 0.002])
    assert found.reason == POLICY_STOPPED


@pytest.mark.parametrize(
    ("policy", "limits", "reason"),
    [
        pytest.param(None, Limits(), NO_POLICY, id="no policy"),
        pytest.param(Listed(plan(70)), Limits(steps=1), NO_STEPS, id="one step"),
        pytest.param(Listed(plan(70)), Limits(seconds_left=0.0), NO_TIME, id="no time at all"),
    ],
)
def test_the_start_plan_alone_takes_the_time_of_its_trace(policy: Listed | None, limits: Limits, reason: str) -> None:
    """Measuring is not part of making it, and features are not asked for."""

    def never() -> Features:
        raise AssertionError

    found = refined(Bench(), policy, limits, never)
    assert (found.plan, found.reason, len(found.steps)) == (plan(50), reason, 1)
    assert found.seconds == pytest.approx(0.01)
    assert found.steps[0].quality == found.quality


@pytest.mark.parametrize(
    ("left", "traced", "reason"),
    [
        pytest.param(0.030, [50], NO_TIME, id="not for a second one"),
        pytest.param(0.080, [50, 60], NO_TIME, id="not for a finer one"),
        pytest.param(0.200, [50, 60, 70], POLICY_STOPPED, id="for all"),
    ],
)
def test_a_step_that_would_not_end_in_time_is_not_taken(left: float, traced: list[int], reason: str) -> None:
    bench = Bench()
    found = refined(bench, Listed(plan(60), plan(70, upscale=2)), Limits(seconds_left=left))
    assert [one.palette for one in bench.traced] == traced
    assert found.reason == reason
    assert found.seconds <= left


@pytest.mark.parametrize(("upscale", "left"), [(2, 0.12), (3, 0.3)])
def test_bands_of_soft_alpha_are_expected_to_take_as_many_traces(upscale: int, left: float) -> None:
    policy = Listed(msgspec.structs.replace(START, matte="bands", upscale=upscale))
    tools = Tools(clock=lambda: 0.0, trace=Bench().trace, draw=lambda _: shadowed())
    area = shadowed().shape[0] * shadowed().shape[1] * upscale**2
    assert 1e-6 * area < left / 1.5 < 1e-6 * area * len(levels(shadowed(), Plan(upscale=upscale)))
    found = refine(shadowed(), START, policy, Features, Limits(seconds_left=left), tools)
    assert (len(found.steps), found.reason, len(policy.asked)) == (1, NO_TIME, 1)


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        pytest.param(None, 70, id="no budget"),
        pytest.param(6500, 60, id="beyond never replaces within"),
        pytest.param(5500, 50, id="the start alone is within"),
        pytest.param(4500, 40, id="within replaces beyond, though worse"),
        pytest.param(100, 40, id="none is within: the fewest bytes"),
    ],
)
def test_the_byte_budget_comes_before_quality(budget: int | None, kept: int) -> None:
    found = refined(Bench(), Listed(plan(60), plan(70), plan(40)), Limits(svg_budget=budget))
    assert found.plan == plan(kept)


@pytest.mark.parametrize(
    ("budget", "steps"), [pytest.param(None, 2, id="within"), pytest.param(5500, 4, id="beyond the bytes")]
)
def test_a_target_that_is_met_is_enough(budget: int | None, steps: int) -> None:
    target = refined(Bench(), Listed(plan(60))).quality
    policy = Listed(plan(60), plan(70), plan(80))
    found = refined(Bench(), policy, Limits(quality_target=target, svg_budget=budget))
    assert len(found.steps) == steps
    assert found.reason == (TARGET_MET if budget is None else NO_STEPS)


def test_a_step_that_fails_ends_the_search_with_the_best() -> None:
    found = refined(Bench(), Listed(plan(60), plan(13), plan(70)))
    assert (found.plan, len(found.steps)) == (plan(60), 2)
    assert "no luck" in found.reason


def test_a_start_plan_that_fails_is_told() -> None:
    with pytest.raises(ConversionFailed, match="no luck"):
        refine(WHITE, plan(13), Listed(plan(60)), Features, tools=Bench().tools())
    with pytest.raises(ResultTooLarge):
        refine(plain(side=2049), Plan(upscale=8), None, Features)


def test_with_the_real_tools_it_gives_what_the_plan_gives() -> None:
    pixels = checked(40, 60)
    found = refine(pixels, START, Listed(Plan(upscale=3)), Features)
    assert found.svg == run_plan(pixels, found.plan).svg
    assert found.quality == similarity(render(found.svg), pixels)
    assert found.svg_bytes == len(found.svg.encode())
    assert found.seconds > sum(step.seconds + step.measure_seconds for step in found.steps)
    assert np.isfinite(found.seconds)
