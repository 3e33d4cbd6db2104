"""Conversions without converting: what labels let expect of any plan on an image they hold, with honest doubt.

An expectation comes from trees over features and plans, grown on other images. What an image's own runs say beyond it
is kept by a Gaussian process over plans. Each episode draws one function from what both leave open, so that a policy
meets images of which it knows as little as of those it will serve on, and learns from measurements as it will there.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingRegressor

from models._policy import LEAST_ERROR
from router import Features, Plan
from training._environment import Outcome
from training._tables import Table

Floats = NDArray[np.float64]

ROUNDS, LEAVES, RATE, FOLDS = 100, 24, 0.1, 2
WAVES = 128  # random Fourier features of a drawn function
# Images whose likelihood the process is fitted to, and how often it is looked at.
FITTED_IMAGES, FITTED_LOOKS = 40, 200
NO_PALETTE = 8.5  # where "no reduction" lies on the axis of log2(colours)


class Process(msgspec.Struct, frozen=True):
    """The Gaussian process of an image's own deviations: standard deviations, and a length along each axis."""

    offset: float
    spread: float
    noise: float
    lengths: tuple[float, ...]

    def covariance(self, one: Floats, other: Floats) -> Floats:
        """Return the covariance of the deviations at places [N, axes] and [M, axes]."""
        scaled = np.array(self.lengths)
        apart = ((one[:, None] - other[None]) / scaled) ** 2
        return np.asarray(self.offset**2 + self.spread**2 * np.exp(-0.5 * apart.sum(axis=-1)))


class Known(msgspec.Struct, frozen=True):
    """One image of the simulator: its features, where it was run, and what follows from the deviations there."""

    features: Features
    row: Floats
    fold: int
    places: Floats
    deviations: Floats
    inverse: Floats
    offsets: tuple[float, float]


class Simulator:
    """Answers for the images of a table."""

    def __init__(self, table: Table, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        images = np.arange(len(table.labels))
        self._folds = images % FOLDS
        rows = table.scaled_features()
        places = np.array([place(plan) for plan in table.plans])
        error = np.log(np.maximum(1 - table.quality.astype(np.float64), LEAST_ERROR))
        area = np.array([label.features.image_area or 1.0 for label in table.labels])
        traced = np.log(area[table.image_of]) + 2 * math.log(2) * places[:, UPSCALE]
        targets = np.stack([error, table.log_seconds - traced, table.log_bytes], axis=1)
        inputs = np.hstack([rows[table.image_of], places])
        self._models = []
        expected = np.zeros_like(targets)
        for fold in range(FOLDS):
            others = self._folds[table.image_of] != fold
            self._models.append([_trees(inputs[others], target, seed + fold) for target in targets[others].T])
            expected[~others] = self._expected(fold, inputs[~others])
        deviations = targets - expected
        runs = [np.flatnonzero(table.image_of == image) for image in images]
        self.process = fit_process([(places[r], deviations[r, 0]) for r in runs[:FITTED_IMAGES]])
        self.images = [
            _known(self.process, label.features, rows[i], int(self._folds[i]), places[r], deviations[r])
            for i, (label, r) in enumerate(zip(table.labels, runs, strict=True))
        ]
        self._waves = self._rng.normal(size=(WAVES, places.shape[1])) / np.array(self.process.lengths)
        self._phases = self._rng.uniform(0, 2 * math.pi, WAVES)

    def episode(self, index: int) -> "Simulated":
        """Return one image as it may be."""
        known = self.images[index]
        weights = self._rng.normal(size=WAVES) * self.process.spread
        offset = self._rng.normal() * self.process.offset
        drawn = self._waved(known.places) @ weights + offset
        noise = self._rng.normal(size=len(known.places)) * self.process.noise
        return Simulated(known, weights, offset, known.inverse @ (known.deviations - drawn - noise))

    def outcomes(self, episodes: "list[Simulated]", plans: list[Plan]) -> list[Outcome]:
        """Return what each plan gives in its episode; all trees are asked at once."""
        places = np.array([place(plan) for plan in plans])
        inputs = np.hstack([np.array([e.known.row for e in episodes]), places])
        folds = np.array([e.known.fold for e in episodes])
        expected = np.zeros((len(plans), 3))
        for fold in set(folds.tolist()):
            expected[folds == fold] = self._expected(fold, inputs[folds == fold])
        waved = self._waved(places)
        found = []
        for index, (episode, plan) in enumerate(zip(episodes, plans, strict=True)):
            known = episode.known
            own = self.process.covariance(places[index : index + 1], known.places)[0] @ episode.pull
            error = expected[index, 0] + waved[index] @ episode.weights + episode.offset + own
            area = (known.features.image_area or 1.0) * plan.upscale**2
            found.append(
                Outcome(
                    quality=1 - math.exp(min(error, 0.0)),
                    seconds=area * math.exp(expected[index, 1] + known.offsets[0]),
                    svg_bytes=max(1, round(math.exp(expected[index, 2] + known.offsets[1]))),
                )
            )
        return found

    def _expected(self, fold: int, inputs: Floats) -> Floats:
        return np.stack([model.predict(inputs) for model in self._models[fold]], axis=1)

    def _waved(self, places: Floats) -> Floats:
        # No episode may have ended: then there are no places, and no axes either.
        placed = places.reshape(-1, self._waves.shape[1])
        return np.asarray(math.sqrt(2 / WAVES) * np.cos(placed @ self._waves.T + self._phases))


class Simulated(msgspec.Struct, frozen=True):
    """One image as it may be: a drawn function, and how its own runs pull it."""

    known: Known
    weights: Floats
    offset: float
    pull: Floats


def place(plan: Plan) -> list[float]:
    """Return where a plan lies on the axes that matter, each of order one."""
    return [
        math.log2(plan.upscale),
        math.log2(plan.palette) if plan.palette else NO_PALETTE,
        plan.layer_difference / 16,
        float(plan.denoise),
        float(plan.mode == "polygon"),
        float(plan.mode == "spline"),
        float(plan.mode == "none"),
        float(plan.matte == "bands"),
        float(plan.matte == "none"),
        plan.filter_speckle / 4,
        plan.color_precision / 2,
    ]


UPSCALE = 0  # the axis of the upscale step
AXES = 11


def _trees(inputs: Floats, target: Floats, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=ROUNDS, max_leaf_nodes=LEAVES, learning_rate=RATE, l2_regularization=1.0, random_state=seed
    ).fit(inputs, target)


def fit_process(images: list[tuple[Floats, Floats]]) -> Process:
    """Return the process under which the deviations [runs] at places [runs, axes] of some images are likeliest."""

    def lacking(logs: Floats) -> float:
        process = _process(logs)
        total = 0.0
        for places, deviations in images:
            covariance = process.covariance(places, places) + process.noise**2 * np.eye(len(places))
            low = np.linalg.cholesky(covariance)
            white = np.linalg.solve(low, deviations)
            total += 0.5 * float(white @ white) + float(np.log(np.diag(low)).sum())
        # A weak pull towards lengths of order one, where the images say nothing of an axis.
        return total + 0.5 * float((logs[3:] ** 2).sum())

    first = np.log([0.3, 0.2, 0.1, *[1.5] * AXES])
    return _process(minimize(lacking, first, method="Powell", options={"maxfev": FITTED_LOOKS}).x)


def _process(logs: Floats) -> Process:
    values = np.exp(np.clip(logs, -4, 3)).tolist()
    return Process(values[0], values[1], values[2], tuple(values[3:]))


def _known(process: Process, features: Features, row: Floats, fold: int, places: Floats, deviations: Floats) -> Known:
    covariance = process.covariance(places, places) + process.noise**2 * np.eye(len(places))
    seconds, size = np.median(deviations[:, 1:], axis=0).tolist()
    return Known(
        features,
        row,
        fold,
        places,
        deviations[:, 0],
        np.asarray(np.linalg.inv(covariance), np.float64),
        (seconds, size),
    )
