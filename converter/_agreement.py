"""How well predicted numbers agree with measured ones."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Pearson and Spearman correlation, None where one side does not vary, and the mean absolute error."""

    count: int
    pearson: float | None
    spearman: float | None
    mae: float


def agreement(predicted: Sequence[float], measured: Sequence[float]) -> Agreement | None:
    """Compare pairs of numbers; None when there are none."""
    if not len(predicted):
        return None
    one, other = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    return Agreement(
        count=len(one),
        pearson=_correlation(one, other),
        spearman=_correlation(_ranks(one), _ranks(other)),
        mae=float(np.abs(one - other).mean()),
    )


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])
