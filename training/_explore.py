"""Good plans are found by search: on some images Optuna looks for the best plan of each upscale step."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import optuna

from converter.errors import ConverterError
from router import Features, Plan
from router.formulas import ladder
from training._plans import MODE, Found, as_run, choices, spent

if TYPE_CHECKING:
    from training._run import Label

T = TypeVar("T")

# Trials before the sampler trusts what it has seen.
STARTUP = 5
KEPT = 3  # plans of each image and step


def explore(
    run: Callable[[Plan], T], price: Callable[[T], float], features: Features, *, trials: int, seed: int
) -> list[T]:
    """Return what `trials` plans of each affordable step gave on an image; TPE proposes each from those before.

    A plan that fails costs its trial and nothing else.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: list[T] = []
    for step in ladder(features):
        sampler = optuna.samplers.TPESampler(seed=seed + step, n_startup_trials=STARTUP, multivariate=True)
        study = optuna.create_study(sampler=sampler)

        def objective(trial: optuna.Trial, step: int = step) -> float:
            try:
                given = run(suggested(trial, features, step))
            except ConverterError as exc:
                raise optuna.TrialPruned from exc
            found.append(given)
            return price(given)

        study.optimize(objective, n_trials=trials)
    return found


def suggested(trial: optuna.Trial, features: Features, step: int) -> Plan:
    """Return the plan of a trial: one of the choices for each parameter."""
    wide = choices(features, step)
    chosen: dict[str, Any] = {name: trial.suggest_categorical(name, values) for name, values in wide.items()}
    return as_run(Plan(upscale=step, mode=MODE, **chosen), features)


def cost(quality: float, svg_bytes: float, seconds: float) -> float:
    """Return what a run costs: ln(1 - quality) and a little for bytes and seconds."""
    return math.log(max(1 - quality, 1e-4)) + float(spent(svg_bytes, seconds))


def found_best(labels: "Iterable[Label]") -> list[Found]:
    """Return the best plans, at most `KEPT`, that were found on each image at each step."""
    found = []
    for label in labels:
        steps: dict[int, dict[Plan, float]] = defaultdict(dict)
        for run in label.runs:
            steps[run.plan.upscale][run.plan] = cost(run.quality, run.svg_bytes, run.seconds)
        features = tuple(label.features.vector())
        for step, costs in steps.items():
            best = sorted(costs, key=costs.__getitem__)[:KEPT]
            found.append(Found(features=features, upscale=step, plans=tuple(best)))
    return found
