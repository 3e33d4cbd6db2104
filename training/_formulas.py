"""The constants of `performance` and `feature_mapping`: those for which the surrogate foretells the least cost."""

import random
from collections.abc import Sequence

import msgspec
import optuna

from router import Plan
from router.formulas import FORMULAS, PERFORMANCE, Formulas, Line, fine_plan
from training._surrogate import Surrogate
from training._tables import Table

IMAGES, TRIALS = 250, 150
FEW_LAYERS = 48  # least difference of layers in the preset
# Where each line may lie: intercept, slope, and the values it is clamped to.
RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[int, int]]] = {
    "palette": ((0, 24), (0, 3), (3, 64)),
    "layer_difference": ((0, 64), (-16, 16), (0, 64)),
    "filter_speckle": ((0, 6), (0, 2), (1, 8)),
    "denoise": ((-1, 1), (0, 1), (0, 3)),
}
# Where the limits of features may lie.
LIMITS = {"soft_interior": (0.002, 0.05), "hard_alpha": (0.6, 0.95)}


class Constants(msgspec.Struct, frozen=True, kw_only=True):
    """The best constants found, and the mean relative cost of both methods before and after."""

    formulas: Formulas
    performance: Plan
    before: float
    after: float
    performance_before: float
    performance_after: float


def fit_constants(
    table: Table, surrogate: Surrogate, generous: Surrogate, proposals: Sequence[Plan], seed: int
) -> Constants:
    """Search the constants of the closed formulas by TPE, and the preset among the plans proposed.

    The formulas are priced by the `generous` surrogate, the preset by the other. The search begins with the constants
    in use, so that what it finds is never worse.
    """
    images = random.Random(seed).sample(range(len(table.labels)), min(IMAGES, len(table.labels)))
    scaled = table.scaled_features()[images]
    labels = [table.labels[image] for image in images]

    def price(formulas: Formulas) -> float:
        plans = [fine_plan(label.features, formulas) for label in labels]
        return float(generous.cost_of_each(scaled, plans).mean())

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    study.enqueue_trial(_as_trial(FORMULAS))
    study.optimize(lambda trial: price(_formulas(trial)), n_trials=TRIALS)
    presets = [PERFORMANCE, *dict.fromkeys(_quick(plan) for plan in proposals)]
    costs = surrogate.costs(scaled, presets).mean(axis=0)
    best = int(costs.argmin())
    return Constants(
        formulas=_formulas(study.best_trial),
        performance=presets[best],
        before=price(FORMULAS),
        after=float(study.best_value),
        performance_before=float(costs[0]),
        performance_after=float(costs[best]),
    )


def _quick(plan: Plan) -> Plan:
    """Return a plan's fastest and smallest form: at 1x, few layers, nothing done beforehand."""
    layers = max(plan.layer_difference, FEW_LAYERS)
    return msgspec.structs.replace(plan, upscale=1, denoise=0, palette=0, matte="binary", layer_difference=layers)


def _as_trial(formulas: Formulas) -> dict[str, float]:
    """Return constants as the parameters of a trial; `_formulas` makes them of it again."""
    chosen = {name: getattr(formulas, name) for name in LIMITS}
    for name in RANGES:
        line = getattr(formulas, name)
        chosen |= {f"{name}_intercept": line.intercept, f"{name}_slope": line.slope}
    return chosen


def _formulas(trial: optuna.Trial | optuna.trial.FrozenTrial) -> Formulas:
    """Return the constants that a trial names; rounded, as they are printed."""
    lines = {
        name: Line(
            round(trial.suggest_float(f"{name}_intercept", *intercept), 2),
            round(trial.suggest_float(f"{name}_slope", *slope), 2),
            *bounds,
        )
        for name, (intercept, slope, bounds) in RANGES.items()
    }
    limits = {name: round(trial.suggest_float(name, *span), 4) for name, span in LIMITS.items()}
    return Formulas(**(FORMULAS._asdict() | lines | limits))
