"""The plan regressor: a surrogate finds each image's best plan per upscale step, and trees learn to name it."""

import random

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from router import FEATURE_NAMES, METHODS, Plan
from router.formulas import STEPS
from training._plans import random_plan
from training._tables import LOG_FEATURES, Array, Table, plan_row

# What a step's plan is chosen by: ln(1 - quality) + these weights times ln(bytes) and ln(seconds). Halving the bytes is
# worth 7 % more error, halving the time 10 %: half of the request grid bounds the bytes, three quarters the time.
BYTES_WEIGHT, SECONDS_WEIGHT = 0.10, 0.15
PROPOSALS = 160  # plans a step that the surrogate judges
TREES, LEAF, DEPTH = 40, 4, 10
# Regressor outputs: the plan parameter, and codes where the number itself is no good to average.
PALETTE_CODES = {0: 7.0, 3: 1.58, 4: 2.0, 6: 2.58, 8: 3.0, 12: 3.58, 16: 4.0, 24: 4.58, 32: 5.0, 64: 6.0}
MATTE_CODES = {"binary": 0.0, "bands": 1.0}
MODE_CODES = {"polygon": 0.0, "spline": 1.0}
NUMBERS = ("denoise", "color_precision", "filter_speckle", "layer_difference")
OUTPUTS = ("palette", "matte", "mode", *NUMBERS)


class Surrogate:
    """Predicts what a plan costs on an image beside the other plans of its step, from the runs of the search.

    Only the difference matters for the choice; what is common to all of an image's plans would drown it.
    """

    def __init__(self, table: Table, seed: int) -> None:
        rows = np.hstack([table.scaled_features()[table.image_of], np.array([plan_row(p) for p in table.plans])])
        error = np.log(np.maximum(1 - table.quality, 1e-4))
        cost = error + BYTES_WEIGHT * table.log_bytes + SECONDS_WEIGHT * table.log_seconds
        steps = table.image_of * 16 + np.array([p.upscale for p in table.plans])
        sums, counts = np.bincount(steps, weights=cost), np.bincount(steps)
        compared = counts[steps] > 1
        relative = cost - sums[steps] / counts[steps]
        self._model = ExtraTreesRegressor(200, min_samples_leaf=8, max_features=0.6, random_state=seed, n_jobs=-1)
        self._model.fit(rows[compared], relative[compared])

    def costs(self, features: Array, plans: list[Plan]) -> NDArray[np.float64]:
        """Return the predicted cost of each plan on the image with these (scaled) features."""
        rows = np.hstack([np.repeat(features[None], len(plans), axis=0), np.array([plan_row(p) for p in plans])])
        return np.asarray(self._model.predict(rows))


def best_plans(table: Table, seed: int) -> tuple[Array, list[Plan]]:
    """Return rows (scaled features, upscale) and the plan that the search's surrogate finds best for each."""
    surrogate = Surrogate(table, seed)
    scaled = table.scaled_features()
    rows, plans = [], []
    for image, label in enumerate(table.labels):
        rng = random.Random(f"{seed}-{label.key}")
        for step in STEPS:
            proposals = [random_plan(label.features, step, rng) for _ in range(PROPOSALS)]
            plans.append(proposals[int(surrogate.costs(scaled[image], proposals).argmin())])
            rows.append([*scaled[image], step])
    return np.array(rows, dtype=np.float32), plans


def fit_regressor(rows: Array, plans: list[Plan], seed: int) -> ExtraTreesRegressor:
    """Return trees that name the plan: [features, upscale] -> `OUTPUTS`, coded."""
    model = ExtraTreesRegressor(
        TREES, min_samples_leaf=LEAF, max_depth=DEPTH, max_features=0.5, random_state=seed, n_jobs=-1
    )
    return model.fit(rows, np.array([outputs(plan) for plan in plans], dtype=np.float32))


def outputs(plan: Plan) -> list[float]:
    """Return a plan as the regressor's outputs."""
    return [
        PALETTE_CODES[plan.palette],
        MATTE_CODES[plan.matte],
        MODE_CODES[plan.mode],
        *(float(getattr(plan, name)) for name in NUMBERS),
    ]


def formula_constants(plans: list[Plan], rows: Array) -> dict[str, tuple[float, float]]:
    """Return intercept and slope of each closed formula of `feature_mapping`, by least squares on the best plans."""
    polygon = np.array([p.mode == "polygon" for p in plans])
    fitted = {}
    for name, feature in (
        ("palette", "palette_size"),
        ("color_precision", "unique_colors"),
        ("layer_difference", "gradient_strength"),
        ("filter_speckle", "upscale"),
    ):
        column = -1 if feature == "upscale" else FEATURE_NAMES.index(feature)
        value = np.array([PALETTE_CODES[p.palette] if name == "palette" else getattr(p, name) for p in plans])
        slope, intercept = np.polyfit(rows[polygon, column], value[polygon], 1)
        fitted[name] = (round(float(intercept), 3), round(float(slope), 3))
    return fitted


def fill_values(table: Table) -> Array:
    """Return the mean of each feature, as it stands for one that was not measured (before any logarithm)."""
    scaled = table.scaled_features().mean(axis=0)
    logged = [name in LOG_FEATURES for name in FEATURE_NAMES]
    return np.asarray(np.where(logged, np.expm1(scaled), scaled), dtype=np.float32)


def rule_constants(table: Table) -> dict[str, float]:
    """Return the constants of `router/_rules.py`: seconds and bytes per traced pixel of the methods' candidates.

    Slopes are medians over large traces, fixed parts medians over small ones, margins the 95th percentile of measured
    over estimated.
    """
    column = FEATURE_NAMES.index("image_area")
    run = np.flatnonzero(np.isin(table.origins, METHODS))
    upscale = np.array([table.plans[r].upscale for r in run])
    pixels = table.features[table.image_of[run], column].astype(np.float64) * upscale**2
    constants: dict[str, float] = {}
    for name, measured in (("seconds", np.exp(table.log_seconds[run])), ("bytes", np.exp(table.log_bytes[run]))):
        large, small = pixels >= np.median(pixels), pixels <= np.percentile(pixels, 10)
        slope = float(np.median(measured[large] / pixels[large]))
        fixed = max(float(np.median(measured[small] - slope * pixels[small])), 0.0)
        margin = float(np.percentile(measured / (fixed + slope * pixels), 95))
        constants |= {f"{name}_fixed": fixed, f"{name}_per_pixel": slope, f"{name}_margin": margin}
    return constants
