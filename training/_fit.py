"""The plan regressor: models of several kinds learn to name each image's best plan; the least regret wins."""

import random
import warnings
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from router import FEATURE_NAMES, Features, Plan
from router.formulas import STEPS, ladder, spared
from training._hash import hash_of
from training._plans import Found, random_plan
from training._surrogate import Surrogate
from training._tables import LOG_FEATURES, Array, Table

IMAGES = 1500  # that the models learn from; more hardly change them
ARCHETYPES, PROPOSALS = 24, 96  # plans chosen among, and those they are chosen from
TREES, LEAF, DEPTH = 40, 4, 10
PRICING_TREES, PRICING_DEPTH = 14, 7  # each leaf holds a price for every archetype
NEIGHBOURS = 12
JUDGES = 6  # one drawing of so many judges the models
HIDDEN = (64, 48)
# Regressor outputs: the plan parameter, and codes where the number itself is no good to average.
PALETTE_CODES = {0: 7.0, 3: 1.58, 4: 2.0, 6: 2.58, 8: 3.0, 12: 3.58, 16: 4.0, 24: 4.58, 32: 5.0, 64: 6.0}
MATTE_CODES = {"binary": 0.0, "bands": 1.0}
MODE_CODES = {"spline": -1.0, "polygon": 0.0, "none": 1.0, "smooth": 2.0}
NUMBERS = ("denoise", "color_precision", "filter_speckle", "layer_difference")
OUTPUTS = ("palette", "matte", "mode", *NUMBERS)


class Problem(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What regressors learn from: rows [scaled features, step] and the cost of every archetype there, [rows, plans].

    `train` tells the rows that models learn from, `judged` those that they are judged on.
    """

    rows: Array
    costs: NDArray[np.float64]
    archetypes: tuple[Plan, ...]
    train: NDArray[np.bool_]
    judged: NDArray[np.bool_]


class Fitted(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The regressor that won: a model that names the plan itself, or one that prices `archetypes`; all regrets."""

    kind: str
    model: BaseEstimator
    archetypes: tuple[Plan, ...] | None
    regrets: dict[str, float]


def problem(table: Table, surrogate: Surrogate, elites: Sequence[Found], seed: int) -> Problem:
    """Return what there is to learn: the surrogate prices the archetypes on some images at each affordable step."""
    rng = random.Random(seed)
    pool = proposals(table, elites, rng)
    images = rng.sample(range(len(table.labels)), min(IMAGES, len(table.labels)))
    scaled = table.scaled_features()
    pairs = [(image, step) for image in images for step in ladder(table.labels[image].features)]
    rows = np.array([[*scaled[image], step] for image, step in pairs], dtype=np.float32)
    costs = np.empty((len(rows), len(pool)))
    for step in STEPS:
        own = rows[:, -1] == step
        if own.any():
            # As they are offered, but for what hangs on the image.
            plans = [spared(msgspec.structs.replace(plan, upscale=step), Features()) for plan in pool]
            costs[own] = surrogate.costs(rows[own, :-1], plans)
    kept = cover(costs, ARCHETYPES)
    specs = [table.labels[image].spec for image, _ in pairs]
    unseen = np.array([hash_of(f"{spec.family}/{spec.drawing}") % JUDGES == 0 for spec in specs])
    every = np.ones(len(rows), dtype=np.bool_)
    # A corpus too small to set drawings aside judges itself.
    train, judged = (~unseen, unseen) if 0 < unseen.sum() < len(unseen) else (every, every)
    return Problem(rows=rows, costs=costs[:, kept], archetypes=tuple(pool[i] for i in kept), train=train, judged=judged)


def proposals(table: Table, elites: Sequence[Found], rng: random.Random) -> list[Plan]:
    """Return plans worth choosing among, at 1x: those that search found best oftenest, and random ones without it."""
    known = [msgspec.structs.replace(plan, upscale=1) for one in elites for plan in one.plans[:1]]
    picked = list(dict.fromkeys(rng.sample(known, len(known))))[:PROPOSALS]
    label = table.labels[0]
    return picked or [random_plan(label.features, 1, rng) for _ in range(PROPOSALS)]


def cover(costs: NDArray[np.float64], count: int) -> list[int]:
    """Return the columns that, one after the other, lower the mean cost of each row's best column most."""
    chosen: list[int] = []
    best = np.full(len(costs), np.inf)
    for _ in range(min(count, costs.shape[1])):
        means = np.minimum(best[:, None], costs).mean(axis=0)
        means[chosen] = np.inf
        chosen.append(int(means.argmin()))
        best = np.minimum(best, costs[:, chosen[-1]])
    return chosen


def fit_regressor(given: Problem, seed: int) -> Fitted:
    """Fit every kind on the trained rows, judge them on the others, and return the one with the least regret.

    Regret is the mean of how much more the named plan costs than the row's best archetype, in ln(1 - quality).
    """
    best = given.costs.argmin(axis=1)
    named = np.array([outputs(plan) for plan in given.archetypes], dtype=np.float32)
    models = _kinds(int(given.train.sum()), seed)
    regrets = {}
    for kind, model in models.items():
        prices = kind in PRICING
        _teach(model, given.rows[given.train], given.costs[given.train] if prices else named[best[given.train]])
        said = np.asarray(model.predict(given.rows[given.judged]))
        # A plan between archetypes is priced as the nearest of them.
        column = said.argmin(axis=1) if prices else _nearest(said, named)
        costs = given.costs[given.judged]
        regrets[kind] = float((costs[np.arange(len(costs)), column] - costs.min(axis=1)).mean())
    kind = min(regrets, key=regrets.__getitem__)
    model = _teach(models[kind], given.rows, given.costs if kind in PRICING else named[best])
    return Fitted(kind=kind, model=model, archetypes=given.archetypes if kind in PRICING else None, regrets=regrets)


# The kinds that price every archetype; the others name a plan's parameters.
PRICING = frozenset({"network pricing", "trees pricing"})


def _kinds(rows: int, seed: int) -> dict[str, BaseEstimator]:
    """Return the kinds that can learn from so many rows, by name."""
    trees = {"min_samples_leaf": LEAF, "max_depth": DEPTH, "random_state": seed, "n_jobs": -1}
    network = MLPRegressor(hidden_layer_sizes=HIDDEN, alpha=1e-3, early_stopping=True, random_state=seed, max_iter=400)
    kinds: dict[str, BaseEstimator] = {
        "extra trees": ExtraTreesRegressor(TREES, max_features=0.5, **trees),
        "random forest": RandomForestRegressor(TREES, max_features=0.5, **trees),
        "neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor(NEIGHBOURS)),
        "trees pricing": ExtraTreesRegressor(
            PRICING_TREES, max_features=0.5, **trees | {"max_depth": PRICING_DEPTH, "min_samples_leaf": 8}
        ),
        "network pricing": make_pipeline(StandardScaler(), network),
    }
    if rows < NEIGHBOURS:
        # Fewer rows than are averaged, and too few to set some aside for stopping early.
        del kinds["neighbours"], kinds["network pricing"]
    return kinds


def _teach(model: BaseEstimator, rows: Array, wanted: NDArray[np.float64]) -> BaseEstimator:
    """Fit a model and return it; whether a network's passes were enough is for the judges to say, not for a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, wanted)


def _nearest(said: NDArray[np.float32], named: Array) -> NDArray[np.intp]:
    """Return the column of the archetype nearest to each named plan, every output scaled by its spread."""
    spread = named.std(axis=0) + 1e-6
    distance = ((said[:, None] - named) / spread) ** 2
    return np.asarray(distance.sum(axis=2).argmin(axis=1))


def outputs(plan: Plan) -> list[float]:
    """Return a plan as the regressor's outputs."""
    return [
        PALETTE_CODES[plan.palette],
        MATTE_CODES[plan.matte],
        MODE_CODES[plan.mode],
        *(float(getattr(plan, name)) for name in NUMBERS),
    ]


def fill_values(table: Table) -> Array:
    """Return the mean of each feature, as it stands for one that was not measured (before any logarithm)."""
    scaled = table.scaled_features().mean(axis=0)
    logged = [name in LOG_FEATURES for name in FEATURE_NAMES]
    return np.asarray(np.where(logged, np.expm1(scaled), scaled), dtype=np.float32)
