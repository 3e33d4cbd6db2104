"""Searches that the policy is compared with: the same space, the same loop, no knowledge of images."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import optuna

from models._manifest import COARSER, FINER, STOP, Move
from models._policy import Attempt, moved
from router import Features, Plan

# TPE draws so many plans at random before it believes what it saw; its default of 10 would be random search here.
TPE_STARTUP = 2


def space(moves: Sequence[Move]) -> dict[str, tuple[str, ...]]:
    """Return what each parameter may become: the values of its move; for the upscale a step either way, or none."""
    return {
        move.name: ("keep", COARSER, FINER) if move.name == "upscale" else move.choices[1:]
        for move in moves
        if move.name != STOP
    }


class RandomSearch:
    """Draws each parameter anew with equal odds, from all its values."""

    def __init__(self, moves: Sequence[Move], seed: int) -> None:
        self._moves, self._space, self._rng = moves, space(moves), random.Random(seed)

    def next_plan(self, features: Features, attempts: Sequence[Attempt], _best: int) -> Plan | None:
        """Return another plan, whatever the others gave."""
        tried = {attempt.plan for attempt in attempts}
        while True:
            drawn = {name: self._rng.choice(values) for name, values in self._space.items()}
            plan = with_values(self._moves, drawn, attempts[0].plan, features)
            if plan not in tried:
                return plan


class TreeParzenSearch:
    """Optuna's TPE: told every attempt, asked for the next plan."""

    def __init__(self, moves: Sequence[Move], seed: int) -> None:
        self._moves = moves
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.CategoricalDistribution(values) for name, values in space(moves).items()
        }
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=TPE_STARTUP)
        self._study = optuna.create_study(sampler=sampler)
        self._told = 0
        self._asked: optuna.Trial | None = None

    def next_plan(self, features: Features, attempts: Sequence[Attempt], _best: int) -> Plan | None:
        """Return the plan that TPE proposes next; one that it proposed before is told again without being run."""
        start = attempts[0].plan
        for attempt in attempts[self._told :]:
            self._tell(attempt, start)
        self._told = len(attempts)
        known = {attempt.plan: attempt for attempt in attempts}
        for _ in range(64):
            self._asked = self._study.ask(self._distributions)
            plan = with_values(self._moves, self._asked.params, start, features)
            if plan not in known:
                return plan
            self._study.tell(self._asked, 1 - known[plan].quality)
        return None

    def _tell(self, attempt: Attempt, start: Plan) -> None:
        if self._asked is not None:
            self._study.tell(self._asked, 1 - attempt.quality)
            self._asked = None
        elif all(value in space(self._moves)[name] for name, value in values_of(self._moves, start).items()):
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=values_of(self._moves, start),
                    distributions=self._distributions,
                    value=1 - attempt.quality,
                )
            )


def values_of(moves: Sequence[Move], plan: Plan) -> dict[str, Any]:
    """Return a plan's own values, as the space names them."""
    return {name: "keep" if name == "upscale" else str(getattr(plan, name)) for name in space(moves)}


def with_values(moves: Sequence[Move], values: Mapping[str, str], plan: Plan, features: Features) -> Plan:
    """Return the plan with these values of the space."""
    chosen = [
        0 if move.name == STOP or values[move.name] == "keep" else move.choices.index(values[move.name])
        for move in moves
    ]
    changed = moved(moves, chosen, plan, features)
    assert changed is not None  # stop is not among the values
    return changed


def plain(plan: Plan) -> Plan:
    """Return the plan with nothing that was known of the image but its step: where a search from scratch starts."""
    return msgspec.structs.replace(Plan(), upscale=plan.upscale)
