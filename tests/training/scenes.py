"""What stands in for conversions in the tests of the policy: quality that is a plain function of the plan."""

from types import SimpleNamespace

import numpy as np

from models._manifest import PolicySpec
from models._policy import StateComposer
from router import FEATURE_NAMES, Features, Plan
from training._environment import Episode, Outcome
from training._ppo import ATTEMPTS, MOVES, PARAMETERS

FEATURES = Features(image_area=4096.0, aspect_ratio=1.0, short_side=64.0)
SPEC = PolicySpec(
    names=FEATURE_NAMES,
    mean=(0.0,) * len(FEATURE_NAMES),
    std=(1e4,) * len(FEATURE_NAMES),
    parameters=PARAMETERS,
    attempts=ATTEMPTS,
    moves=MOVES,
)
START = Plan(upscale=2, palette=8)


def outcome(plan: Plan) -> Outcome:
    """Four colours are best, a coarser step is quicker."""
    quality = 0.98 if plan.palette == 4 else 0.94 if plan.palette == 3 else 0.9
    return Outcome(quality, 0.01 * plan.upscale**2, 1000 * plan.upscale)


class Scene:
    """An image of which everything is known; plans with 5 colours fail."""

    features, start = FEATURES, START

    def __init__(self) -> None:
        self.ran: list[Plan] = []

    def run(self, plan: Plan) -> Outcome | None:
        self.ran.append(plan)
        return None if plan.palette == 5 else outcome(plan)


class Drawn:
    """An image of a simulator that knows everything."""

    known = SimpleNamespace(features=FEATURES)


class Simulator:
    """A simulator that knows everything."""

    def episode(self, index: int) -> type[Drawn]:
        return Drawn

    def outcomes(self, episodes: list[type[Drawn]], plans: list[Plan]) -> list[Outcome]:
        assert len(episodes) == len(plans)
        return [outcome(plan) for plan in plans]


def action(**choices: str) -> np.ndarray:
    """Return the action that takes these choices and leaves all else as it is."""
    return np.array([move.choices.index(choices.get(move.name, move.choices[0])) for move in MOVES])


def episode() -> Episode:
    """Return an episode of the scene with its start plan run."""
    begun = Episode(SPEC, StateComposer(SPEC), FEATURES, START)
    begun.record(START, outcome(START))
    return begun
