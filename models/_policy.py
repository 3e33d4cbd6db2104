"""The plan policy of the method `ppo`: given an image and what its traces measured, it names the next plan."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np

from models._compose import FeatureRow, plan_column
from models._lanes import RUNTIME_ERRORS, Array, session
from models._manifest import COARSER, FINER, KEEP, STOP, Move, PolicySpec
from router import PLAN_BOUNDS, Features, Method, Plan
from router.formulas import ladder

METHOD: Method = "ppo"
# What one attempt says beside its plan: made, best so far, and the logarithms of error, seconds and bytes.
MEASURED = 5
# The smallest error told apart: below it a picture cannot be told from its drawing.
LEAST_ERROR = 1e-4
# No figure of the state lies beyond this; networks extrapolate wildly.
MOST = 4.0
# Rough middles and spreads of ln(1 - quality) and ln(bytes), so that the state's numbers are of order one.
ERROR_MIDDLE, BYTES_MIDDLE, BYTES_SPREAD = -3.7, 9.0, 2.0


class Attempt(Protocol):
    """A plan that was run: `quality` 0..1, `seconds` of its trace alone, and the bytes of its SVG."""

    @property
    def plan(self) -> Plan: ...
    @property
    def quality(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def svg_bytes(self) -> int: ...


class PolicyModel(msgspec.Struct, frozen=True, kw_only=True):
    """A policy on its way to a worker: how to ask it, its ONNX file, and the digest of the export that brings it."""

    spec: PolicySpec
    data: bytes
    digest: str


def load_policy(model: PolicyModel) -> "PlanPolicy | None":
    """Return a policy ready to run, None where it does not load."""
    try:
        return PlanPolicy(model)
    except RUNTIME_ERRORS:
        # It ran where the export was loaded; here memory may be short, and the plan to start from is good without it.
        return None


class PlanPolicy:
    """A policy under ONNX Runtime, one thread; the same attempts always get the same next plan."""

    def __init__(self, model: PolicyModel) -> None:
        """Load and try it.

        Raises:
            Exception: any of `RUNTIME_ERRORS`, also when its answer has not one finite number per choice.
        """
        self.spec = model.spec
        self._session = session(model.data)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[0].name]
        self._state = StateComposer(model.spec)
        self.answer(np.zeros((1, self._state.width), dtype=np.float32))

    def next_plan(self, features: Features, attempts: Sequence[Attempt], best: int) -> Plan | None:
        """Return the plan to try after these attempts, none of which it repeats; None to stop with the best.

        `best` is the index of the attempt to be kept so far. A model that fails stops too: the best is there already.
        """
        if len(attempts) >= self.spec.attempts:
            return None
        try:
            logits = self.answer(self._state(features, attempts, best)[np.newaxis])[0].tolist()
        except RUNTIME_ERRORS:
            return None
        tried = {attempt.plan for attempt in attempts}
        for choices in likeliest(self.spec.moves, logits):
            plan = moved(self.spec.moves, choices, attempts[best].plan, features)
            if plan is None or plan not in tried:
                return plan
        return None

    def answer(self, states: Array) -> Array:
        """Return the raw answers [N, choices] to states [N, width]. Raises any of `RUNTIME_ERRORS`."""
        answer = np.asarray(self._session.run(self._outputs, {self._input: states})[0], dtype=np.float32)
        if answer.shape != (len(states), choice_count(self.spec.moves)) or not np.isfinite(answer).all():
            raise ValueError("it does not answer one finite number per choice")
        return answer


class StateComposer:
    """Turns features and attempts into the row that the policy takes; training composes its states here as well."""

    def __init__(self, spec: PolicySpec) -> None:
        mean = [math.expm1(m) if name in spec.log1p else m for name, m in zip(spec.names, spec.mean, strict=True)]
        self._row = FeatureRow(spec.names, spec.log1p, mean)
        self._mean, self._std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
        self._columns: list[Callable[[Method, Plan], float]] = [plan_column(one) for one in spec.parameters]
        self._slot = MEASURED + len(spec.parameters)
        self.width = len(spec.names) + spec.attempts * self._slot

    def __call__(self, features: Features, attempts: Sequence[Attempt], best: int) -> Array:
        """Return the state, float32 [width]: features, then a slot for each attempt, zeros where none was made."""
        state = np.zeros(self.width, dtype=np.float32)
        scaled = (np.array(self._row(features), dtype=np.float32) - self._mean) / self._std
        state[: len(scaled)] = np.clip(scaled, -MOST, MOST)
        for index, attempt in enumerate(attempts):
            measured = (
                1.0,
                float(index == best),
                math.log(max(1 - attempt.quality, LEAST_ERROR)) - ERROR_MIDDLE,
                # Against the first: hosts differ, and are busy.
                math.log(max(attempt.seconds, 1e-6) / max(attempts[0].seconds, 1e-6)),
                (math.log(max(attempt.svg_bytes, 1)) - BYTES_MIDDLE) / BYTES_SPREAD,
            )
            start = len(scaled) + index * self._slot
            state[start : start + MEASURED] = np.clip(measured, -MOST, MOST)
            state[start + MEASURED : start + self._slot] = [column(METHOD, attempt.plan) for column in self._columns]
        return state


def choice_count(moves: Sequence[Move]) -> int:
    """Return how many numbers the policy answers."""
    return sum(len(move.choices) for move in moves)


def moved(moves: Sequence[Move], choices: Sequence[int], plan: Plan, features: Features) -> Plan | None:
    """Return a plan changed by one choice of each move; None where the choice is to stop."""
    changes: dict[str, str | int] = {}
    for move, choice in zip(moves, choices, strict=True):
        value = move.choices[choice]
        if move.name == STOP:
            if choice:
                return None
        elif value in (COARSER, FINER):
            changes["upscale"] = _stepped(plan.upscale, value == FINER, features)
        elif value != KEEP:
            changes[move.name] = int(value) if move.name in PLAN_BOUNDS else value
    return msgspec.structs.replace(plan, **changes) if changes else plan


def likeliest(moves: Sequence[Move], logits: Sequence[float]) -> Iterator[list[int]]:
    """Yield choices, likeliest first: the best of each move, then those in which one move takes another choice."""
    starts = np.cumsum([0, *(len(move.choices) for move in moves)]).tolist()
    own = [logits[start : start + len(move.choices)] for start, move in zip(starts, moves, strict=False)]
    best = [max(range(len(values)), key=values.__getitem__) for values in own]
    yield best
    others = [
        (values[best[index]] - value, index, choice)
        for index, (move, values) in enumerate(zip(moves, own, strict=True))
        for choice, value in enumerate(values)
        if choice != best[index] and move.name != STOP
    ]
    for _, index, choice in sorted(others):
        yield [*best[:index], choice, *best[index + 1 :]]


def _stepped(step: int, finer: bool, features: Features) -> int:
    """Return the next affordable upscale step up or down; the same where there is none."""
    steps = ladder(features)
    return (
        min((s for s in steps if s > step), default=step)
        if finer
        else max((s for s in steps if s < step), default=step)
    )
