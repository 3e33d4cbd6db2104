"""The policy is judged by the converter's own loop on processor time; what was run is not run again."""

from collections.abc import Sequence

import pytest

from converter._refine import Limits, Step, refine
from router import Features, Plan
from tests.router.drawings import disc
from tests.training.corpora import HELD_OUT, TRAINED
from tests.training.scenes import SPEC
from training._images import ImageSpec
from training._policy_evaluation import Figures, Held, Replay, compare, spread_over_families, summarise

PIXELS = disc(radius=20)[20:76, 20:76].copy()


class Finer:
    """A policy that goes one step finer each time."""

    spec = SPEC

    def next_plan(self, features: Features, attempts: Sequence[Step], best: int) -> Plan | None:
        return Plan(upscale=attempts[-1].plan.upscale + 1) if len(attempts) < 3 else None


def spec(family: str, drawing: str) -> ImageSpec:
    return ImageSpec(
        family=family, drawing=drawing, split="images", longest=56, ground="white", grade="clean", amount=0.0,
        color="#000000", seed=1,
    )  # fmt: skip


HELD = Held(spec(TRAINED.name, "a"), PIXELS, 900, Plan(upscale=1, palette=2))


def test_every_way_starts_from_the_same_plan_or_from_nothing() -> None:
    found = compare(HELD, Finer(), 3, None)  # type: ignore[arg-type]
    assert found["start"].steps == 1
    assert found["ppo"].steps == 3
    for name in ("ppo", "random", "tpe", "random, same time", "tpe, same time"):
        assert found[name].quality >= found["start"].quality
    assert found["random, same time"].seconds <= found["ppo"].seconds * 1.5
    assert all(figures.overrun == 0 for figures in found.values())


def test_a_budget_that_only_the_first_trace_can_break_is_kept() -> None:
    found = compare(HELD, Finer(), 3, 1e-6)  # type: ignore[arg-type]
    assert {figures.steps for figures in found.values()} == {1}
    assert {figures.overrun for figures in found.values()} == {0}


def test_what_was_run_comes_back_with_its_own_time() -> None:
    replay = Replay(PIXELS)
    one, other = (
        refine(PIXELS, Plan(), Finer(), lambda: replay.features(900), Limits(), replay.tools()) for _ in range(2)
    )
    assert [step.seconds for step in one.steps] == [step.seconds for step in other.steps]
    assert one.seconds == pytest.approx(other.seconds, rel=0.5)


def test_means_are_told_beside_the_start_plan() -> None:
    def row(quality: float, better: float) -> dict[str, Figures]:
        plain = Figures(quality, 0.1, 1000, 1, 0)
        return {"start": plain, "ppo": Figures(better, 0.3, 2000, 4, 1)}

    found = summarise([row(0.9, 0.95), row(0.8, 0.8)])
    assert found["start"].error_ratio == pytest.approx(1)
    assert found["ppo"].error_ratio == pytest.approx(0.25 / 0.3)
    assert (found["ppo"].better, found["ppo"].steps, found["ppo"].overrun, found["ppo"].images) == (0.5, 4, 1, 2)


def test_families_take_turns() -> None:
    specs = [spec(TRAINED.name, name) for name in "abc"] + [spec(HELD_OUT.name, "x")]
    chosen = list(spread_over_families(specs, 3))
    assert [one.drawing for one in chosen] == ["x", "a", "b"]
    assert len(list(spread_over_families(specs, 9))) == 4
