"""The base forest says, for each cell of the request grid, how likely each method is the best; one run per image."""

from pathlib import Path

import numpy as np

from models._compose import FeatureRow
from models._lanes import RUNTIME_ERRORS, Array, session
from models._manifest import ForestSpec
from router import METHODS, Features, Method

ROUNDING = 1e-3


class Forest:
    """The forest of an export as an ONNX tree ensemble; may be run from several threads at once."""

    def __init__(self, path: Path, spec: ForestSpec) -> None:
        """Load and try it.

        Raises:
            Exception: any of `RUNTIME_ERRORS`, also when its answer has not one finite column per method.
        """
        self._session = session(path)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[-1].name]  # the one before it is the label
        self._row = FeatureRow(spec.names, spec.log1p, spec.fill)
        cells = [(target, budget) for target in spec.targets for budget in spec.budgets]
        self._rows = np.zeros((len(cells), len(spec.names) + 2), dtype=np.float32)
        self._rows[:, -2:] = cells
        self._methods: tuple[Method, ...] = tuple(
            method for name in spec.methods for method in METHODS if method == name
        )
        if self._probabilities(Features()).shape != (len(self._rows), len(self._methods)):
            raise ValueError("it does not answer one probability per method")

    def probabilities(self, features: Features) -> dict[Method, tuple[float, ...]]:
        """Return method -> one probability per grid cell; empty when the forest gives none."""
        try:
            table = self._probabilities(features)
        except RUNTIME_ERRORS:
            # The rule table answers instead, which the prediction shows by its empty `base`.
            return {}
        columns = table.T.tolist()
        return {method: tuple(column) for method, column in zip(self._methods, columns, strict=True)}

    def _probabilities(self, features: Features) -> Array:
        rows = self._rows.copy()
        rows[:, :-2] = self._row(features)
        table = np.asarray(self._session.run(self._outputs, {self._input: rows})[0], dtype=np.float32)
        # Written so that what is no number fails too; calibration may leave 0..1 by a rounding error.
        if table.ndim != 2 or not (np.abs(table - 0.5) <= 0.5 + ROUNDING).all():
            raise ValueError("it does not answer finite probabilities from 0 to 1")
        return np.clip(table, 0.0, 1.0)
