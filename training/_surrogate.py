"""A surrogate of the converter: what a plan costs on an image beside the other plans of its step."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from router import Plan
from training._plans import spent
from training._tables import Array, Table, plan_row
from training.errors import CorpusTooSmall

TREES, LEAF = 120, 6
ROWS_AT_ONCE = 200_000


class Surrogate:
    """Predicts relative costs (`training._explore.cost`), learnt from the runs of a search.

    Only the difference between an image's plans matters for the choice; what they have in common would drown it.
    """

    def __init__(self, table: Table, seed: int, *, thrift: float = 1.0) -> None:
        """Learn from a table's runs; `thrift` is the share of their cost that bytes and seconds have.

        Raises:
            CorpusTooSmall: no image has two runs at one step.
        """
        rows = np.hstack([table.scaled_features()[table.image_of], table.plan_rows()])
        error = np.log(np.maximum(1 - table.quality, 1e-4))
        cost = error + thrift * spent(
            np.exp(table.log_bytes, dtype=np.float64), np.exp(table.log_seconds, dtype=np.float64)
        )
        # Between steps the costs of a finer trace would show, within one step those of the plan.
        steps = table.image_of * 16 + np.array([p.upscale for p in table.plans])
        sums, counts = np.bincount(steps, weights=cost), np.bincount(steps)
        compared = counts[steps] > 1
        if not compared.any():
            raise CorpusTooSmall("no image has two plans of one step to compare")
        relative = cost - sums[steps] / np.maximum(counts[steps], 1)
        self._model = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=0.6, random_state=seed, n_jobs=-1)
        self._model.fit(rows[compared], relative[compared])

    def costs(self, features: Array, plans: Sequence[Plan]) -> NDArray[np.float64]:
        """Return the predicted cost, [images, plans], of each plan on the images with these (scaled) features."""
        rows = np.array([plan_row(p) for p in plans], dtype=np.float32)
        together = max(1, ROWS_AT_ONCE // len(plans))
        blocks = []
        for start in range(0, len(features), together):
            some = features[start : start + together]
            both = np.hstack([np.repeat(some, len(plans), axis=0), np.tile(rows, (len(some), 1))])
            blocks.append(self._model.predict(both).reshape(len(some), len(plans)))
        return np.concatenate(blocks)

    def cost_of_each(self, features: Array, plans: Sequence[Plan]) -> NDArray[np.float64]:
        """Return the predicted cost, [images], of each image's own plan."""
        rows = np.array([plan_row(p) for p in plans], dtype=np.float32)
        return np.asarray(self._model.predict(np.hstack([features, rows])))
