"""The base forest: which method serves a request best, learnt from what the methods' plans really reached."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold

from router import GRID_BUDGETS, GRID_TARGETS, METHODS, Method
from training._tables import Array, Table
from training.errors import CorpusTooSmall

# The grid's "none" as a number: no target is the highest one, no budget is longer than any trace.
TARGETS = tuple(1.0 if t is None else t for t in GRID_TARGETS)
BUDGETS = tuple(10.0 if b is None else b for b in GRID_BUDGETS)
TREES, DEPTH, LEAF, FOLDS = 12, 9, 85, 3


def methods_of(table: Table) -> tuple[Method, ...]:
    """Return the methods that were run, in their usual order."""
    return tuple(m for m in METHODS if (table.origins == m).any())


def best_methods(table: Table, images: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp], NDArray[np.intp]]:
    """Return rows (scaled features, target, budget), the index of the best method for each, and its image."""
    methods = methods_of(table)
    scaled = table.scaled_features()
    rows, best, groups = [], [], []
    for cell in _cells(table, images, methods):
        rows.append([*scaled[cell.image], cell.target, cell.budget])
        best.append(methods.index(cell.best))
        groups.append(cell.image)
    return np.array(rows, dtype=np.float32), np.array(best), np.array(groups)


class _Cell(msgspec.Struct, frozen=True):
    """One image in one cell of the request grid: the method of its best run, and what each method reaches at most."""

    image: int
    target: float
    budget: float
    best: Method
    utility: dict[Method, float]


def _cells(table: Table, images: Iterable[int], methods: tuple[Method, ...]) -> Iterator[_Cell]:
    """Yield the cells of each image, targets outside, as `router.base_cell` counts them."""
    seconds, size = np.exp(table.log_seconds), np.exp(table.log_bytes)
    for image in images:
        runs = np.flatnonzero((table.image_of == image) & np.isin(table.origins, methods))
        if not len(runs):
            continue
        for target in TARGETS:
            for budget in BUDGETS:
                utility = np.where(seconds[runs] > budget, 0.0, np.minimum(table.quality[runs] / target, 1.0))
                order = np.lexsort((size[runs], seconds[runs], -utility.round(6)))
                reached: dict[Method, float] = {}
                for run, value in zip(runs, utility.tolist(), strict=True):
                    reached[table.origins[run]] = max(reached.get(table.origins[run], 0.0), value)
                yield _Cell(image, target, budget, table.origins[runs[order[0]]], reached)


def forest_errors(table: Table, said: Sequence[Mapping[Method, Sequence[float]]]) -> dict[str, float]:
    """Return how good base tables, one an image, are: accuracy, regret in utility, and the confidence given.

    A calibrated forest is as accurate as it is confident.
    """
    hits, regrets, confidence = [], [], []
    cells = len(TARGETS) * len(BUDGETS)
    for index, cell in enumerate(_cells(table, range(len(table.labels)), methods_of(table))):
        base = said[cell.image]
        named = max(base, key=lambda method: base[method][index % cells])
        hits.append(named == cell.best)
        confidence.append(base[named][index % cells])
        regrets.append(max(cell.utility.values()) - cell.utility.get(named, 0.0))
    return {
        "forest_accuracy": float(np.mean(hits)),
        "forest_regret": float(np.mean(regrets)),
        "forest_confidence": float(np.mean(confidence)),
    }


def fit_forest(table: Table, images: NDArray[np.intp], seed: int) -> CalibratedClassifierCV:
    """Return the forest with calibrated probabilities; all rows of an image stay in one fold.

    Its classes are indices into `methods_of`; a method that is nowhere the best is none of them.

    Raises:
        CorpusTooSmall: fewer images than folds, or a method is the best everywhere or hardly anywhere.
    """
    rows, best, groups = best_methods(table, images)
    if len(set(groups)) < FOLDS:
        raise CorpusTooSmall(f"the forest needs at least {FOLDS} labelled images to train on")
    if len(set(best)) < 2:
        raise CorpusTooSmall("one method is the best on every image")
    forest = RandomForestClassifier(TREES, max_depth=DEPTH, min_samples_leaf=LEAF, random_state=seed, n_jobs=-1)
    # A fold that never saw one of the methods would get a column less as ONNX than here.
    folds = [f for f in GroupKFold(FOLDS).split(rows, best, groups) if set(best[f[0]]) == set(best)]
    if not folds:
        raise CorpusTooSmall("some method is the best on too few images")
    return CalibratedClassifierCV(forest, method="sigmoid", cv=folds).fit(rows, best)
