"""The refinement as an environment: an image, a plan to start from, changes of it, and what each change was worth."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import gymnasium
import msgspec
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from converter._score import Reference, render
from converter._trace import run_plan
from converter.errors import ConverterError
from models._manifest import PolicySpec
from models._policy import MOST, StateComposer, moved
from router import Features, Plan
from router.pixels import Pixels

# What a trace as long as the first one must win for its time to be worth it, of the logarithm of the error. Half the
# error is worth ten times the time where decisions are made; there the refinement was chosen because its time fits, so
# what is left to weigh is only whether a further trace is wasted.
PRICE = 0.015
# Added to the error before the logarithm is taken: halving an error that nobody sees is worth little.
UNSEEN_ERROR = 0.01
# What naming a plan again costs: the refinement ends there, as where the policy stops.
REPEATED = 0.01


class Outcome(msgspec.Struct, frozen=True):
    """What a conversion gave: quality 0..1, the seconds of its trace, the bytes of its SVG."""

    quality: float
    seconds: float
    svg_bytes: int


class Made(msgspec.Struct, frozen=True):
    """An attempt, as the policy's state takes it."""

    plan: Plan
    quality: float
    seconds: float
    svg_bytes: int


class Scene(Protocol):
    """An image whose plan is refined."""

    @property
    def features(self) -> Features: ...
    @property
    def start(self) -> Plan: ...
    def run(self, plan: Plan) -> Outcome | None:
        """Convert the image with a plan and measure; None where the conversion fails."""
        ...


class RealScene:
    """An image that is really converted."""

    def __init__(self, pixels: Pixels, features: Features, start: Plan) -> None:
        self.features, self.start = features, start
        self._pixels, self._reference = pixels, Reference(pixels)

    def run(self, plan: Plan) -> Outcome | None:
        try:
            traced = run_plan(self._pixels, plan)
            quality = self._reference.similarity(render(traced.svg))
        except ConverterError:
            return None
        return Outcome(quality, traced.seconds, len(traced.svg.encode()))


class Episode:
    """One refinement: the attempts so far, the state they make, and what the next one is worth."""

    def __init__(self, spec: PolicySpec, compose: StateComposer, features: Features, start: Plan) -> None:
        self._spec, self._compose, self._features = spec, compose, features
        self.start = start
        self.attempts: list[Made] = []
        self.best = 0

    def state(self) -> NDArray[np.float32]:
        """Return what the policy is told."""
        return self._compose(self._features, self.attempts, self.best)

    def changed(self, action: Sequence[int]) -> Plan | None:
        """Return the plan that an action makes of the best one; None for stop."""
        return moved(self._spec.moves, action, self.attempts[self.best].plan, self._features)

    def tried(self, plan: Plan) -> bool:
        """Tell whether the plan was run before."""
        return any(plan == attempt.plan for attempt in self.attempts)

    def record(self, plan: Plan, outcome: Outcome) -> float:
        """Add an attempt and return what it was worth: the error it took away, less the price of its time."""
        before = self.attempts[self.best].quality if self.attempts else outcome.quality
        self.attempts.append(Made(plan, outcome.quality, outcome.seconds, outcome.svg_bytes))
        if outcome.quality > before:
            self.best = len(self.attempts) - 1
        gain = math.log((1 - before + UNSEEN_ERROR) / (1 - max(before, outcome.quality) + UNSEEN_ERROR))
        return gain - PRICE * outcome.seconds / max(self.attempts[0].seconds, 1e-6)

    @property
    def full(self) -> bool:
        """Whether no further attempt is allowed."""
        return len(self.attempts) >= self._spec.attempts


class RefinementEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.int64]]):
    """An episode is one image: it begins with the start plan run, each step changes the best plan and runs it."""

    def __init__(self, spec: PolicySpec, scenes: Callable[[np.random.Generator], Scene]) -> None:
        """Take what draws the next image; a scene whose start plan fails is passed over."""
        self._spec, self._compose, self._scenes = spec, StateComposer(spec), scenes
        self.observation_space = cast(gymnasium.Space[NDArray[np.float32]], observation_space(spec))
        self.action_space = action_space(spec)
        self._scene: Scene | None = None
        self.episode: Episode | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin with another image. `options` is gymnasium's, there are none."""
        super().reset(seed=seed, options=options)
        scene = self._scenes(self.np_random)
        while (outcome := scene.run(scene.start)) is None:
            scene = self._scenes(self.np_random)
        self._scene, self.episode = scene, Episode(self._spec, self._compose, scene.features, scene.start)
        self.episode.record(scene.start, outcome)
        return self.episode.state(), {}

    def step(self, action: NDArray[np.int64]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Run the changed plan and measure it."""
        assert self.episode is not None
        assert self._scene is not None
        plan = self.episode.changed(action.tolist())
        if plan is None:
            return self.episode.state(), 0.0, True, False, {}
        if self.episode.tried(plan):
            return self.episode.state(), -REPEATED, True, False, {}
        outcome = self._scene.run(plan)
        if outcome is None:
            return self.episode.state(), -PRICE, True, False, {}
        reward = self.episode.record(plan, outcome)
        return self.episode.state(), reward, self.episode.full, False, {}


def observation_space(spec: PolicySpec) -> spaces.Box:
    """Return where states lie."""
    # Plan rows go beyond `MOST`: the logarithm of no palette.
    return spaces.Box(-4 * MOST, 4 * MOST, (StateComposer(spec).width,), np.float32)


def action_space(spec: PolicySpec) -> spaces.MultiDiscrete:
    """Return one choice for each move."""
    return spaces.MultiDiscrete([len(move.choices) for move in spec.moves])
