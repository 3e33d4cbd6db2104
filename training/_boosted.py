"""The part of the predictor that learns fast: a straight line plus boosted trees for each figure, and for its error."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from training._trees import Trees

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


class Size(NamedTuple):
    """Of an ensemble: rounds, most leaves and depth of a tree, learning rate, rows a leaf needs, share of columns."""

    rounds: int
    leaves: int
    depth: int
    rate: float = 0.1
    smallest: int = 20
    columns: float = 0.5


# Quality hangs on more than time and bytes do, errors are noisier.
FIGURE = Size(170, 31, 8, rate=0.13)
QUALITY = Size(300, 63, 8, rate=0.075, smallest=60, columns=0.3)
ERROR = Size(40, 31, 7)
# Trees learn this power of the error: its logarithm would make the worst images as good as unseen, the error itself the
# best. Of roots, 0.35 has the least mean error by a little.
POWER = 0.35
FOLDS = 10
LEAST_ERROR = 1e-4  # of an estimated quality: below it a logarithm would only show rounding
LEAST_MARGIN = 0.02  # between an estimate and its upper bound, logarithms
HIGH = 0.95


class Boosted(nn.Module):
    """[rows, columns] to quality, its expected error, and ln seconds and ln bytes with their upper bounds."""

    def __init__(self, lines: list[Ridge], figures: Trees, errors: Trees, scale: float) -> None:
        super().__init__()
        self.line = nn.Linear(len(lines[0].coef_), len(lines))
        with torch.no_grad():
            self.line.weight.copy_(torch.tensor(np.array([line.coef_ for line in lines])))
            self.line.bias.copy_(torch.tensor(np.array([line.intercept_ for line in lines])))
        self.figures, self.errors, self.scale = figures, errors, scale

    def forward(self, rows: Tensor) -> Tensor:
        """Return [rows, 6] in the order of the predictor's outputs."""
        root, seconds, size = (self.line(rows) + self.figures(rows)).unbind(-1)
        spread, slower, larger = self.errors(rows).unbind(-1)
        return torch.stack(
            [
                (1 - root.clamp(min=0) ** (1 / POWER)).clamp(min=0),
                spread.exp() * self.scale,
                seconds,
                seconds + slower.clamp(min=LEAST_MARGIN),
                size,
                size + larger.clamp(min=LEAST_MARGIN),
            ],
            dim=-1,
        )


class Fitted(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The module, and what it says of each training row.

    `unseen` is without having seen the drawing: quality, ln s, ln bytes. `margins` are how far off it expects quality
    to be, and how far above the estimates its bounds of ln s and ln bytes lie.
    """

    module: Boosted
    unseen: Floats
    margins: Floats


def fit_boosted(
    rows: Rows,
    quality: Floats,
    logs: Floats,
    folds: NDArray[np.intp],
    weights: Floats,
    seed: int,
    report: Callable[[], None],
    of_quality: Sequence[int] = (),
) -> Fitted:
    """Fit on `rows` with their quality and ln seconds and ln bytes, [rows, 2]; `folds` are those of the drawings.

    Lines and trees of seconds and bytes do not see the columns `of_quality`. Errors are learnt from what models say of
    drawings that they have not seen.
    """
    others = rows.copy()
    # What never varies is never hung on, so models of both kinds can be shown whole rows.
    others[:, list(of_quality)] = 0
    targets = np.column_stack([(1 - quality) ** POWER, logs])
    unseen = np.zeros_like(targets)
    for fold in sorted(set(folds.tolist())):
        out = folds == fold
        known = ~out if not out.all() else out
        lines, trees = _fit(rows[known], others[known], targets[known], weights[known], seed)
        unseen[out] = _predict(lines, trees, rows[out])
        report()
    lines, trees = _fit(rows, others, targets, weights, seed)
    report()
    unseen[:, 0] = 1 - np.maximum(unseen[:, 0], 0) ** (1 / POWER)
    off = np.abs(quality - unseen[:, 0])
    above = targets[:, 1:] - unseen[:, 1:]
    errors = [
        _ensemble(ERROR, seed).fit(rows, np.log(off + LEAST_ERROR), weights),
        *(_ensemble(ERROR, seed, loss="quantile", quantile=HIGH).fit(others, above[:, i], weights) for i in (0, 1)),
    ]
    # The mean of logarithms lies below the logarithm of the mean.
    said = np.exp(errors[0].predict(rows))
    scale = float(np.average(off, weights=weights) / np.average(said, weights=weights))
    report()
    bounds = np.column_stack([one.predict(others) for one in errors[1:]])
    return Fitted(
        module=Boosted(lines, Trees(trees), Trees(errors), scale).eval(),
        unseen=unseen,
        margins=np.column_stack([said * scale, np.maximum(bounds, LEAST_MARGIN)]),
    )


def _fit(
    rows: Rows, others: Rows, targets: Floats, weights: Floats, seed: int
) -> tuple[list[Ridge], list[HistGradientBoostingRegressor]]:
    """Fit a line to each target, and trees to what it leaves: quality by `rows`, seconds and bytes by `others`."""
    lines, trees = [], []
    for seen, size, target in zip((rows, others, others), (QUALITY, FIGURE, FIGURE), targets.T, strict=True):
        lines.append(Ridge(alpha=1.0).fit(seen, target))
        trees.append(_ensemble(size, seed).fit(seen, target - lines[-1].predict(seen), weights))
    return lines, trees


def _predict(lines: list[Ridge], trees: list[HistGradientBoostingRegressor], rows: Rows) -> Floats:
    return np.column_stack([line.predict(rows) + tree.predict(rows) for line, tree in zip(lines, trees, strict=True)])


def _ensemble(size: Size, seed: int, **loss: object) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=size.rounds,
        learning_rate=size.rate,
        max_leaf_nodes=size.leaves,
        max_depth=size.depth,
        min_samples_leaf=size.smallest,
        l2_regularization=1.0,
        max_features=size.columns,
        early_stopping=False,
        random_state=seed,
        **loss,
    )
