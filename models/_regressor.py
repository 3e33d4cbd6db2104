"""The plan regressor turns features into the plan that search found best, once per step of its ladder."""

from pathlib import Path
from typing import Any

import numpy as np

from models._compose import FeatureRow
from models._lanes import RUNTIME_ERRORS, Array, session
from models._manifest import PlanOutput, RegressorSpec
from router import PLAN_BOUNDS, Features, Plan


class Regressor:
    """The plan regressor of an export under ONNX Runtime; may be run from several threads at once."""

    def __init__(self, path: Path, spec: RegressorSpec) -> None:
        """Load and try it.

        Raises:
            Exception: any of `RUNTIME_ERRORS`, also when its answer has not one finite column per parameter.
        """
        self._session = session(path)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[-1].name]
        self._row = FeatureRow(spec.names, spec.log1p, spec.fill)
        self._spec = spec
        self._rows = np.zeros((len(spec.ladder), len(spec.names) + 1), dtype=np.float32)
        self._rows[:, -1] = spec.ladder
        self._answer(Features())

    def plans(self, features: Features) -> tuple[Plan, ...]:
        """Return one plan per step of the ladder; none when the answer is no number."""
        try:
            answer = self._answer(features)
        except RUNTIME_ERRORS:
            # The other methods still have plans; a prediction without `regression` shows it.
            return ()
        return tuple(
            Plan(upscale=step, **{p.name: _value(p, v) for p, v in zip(self._spec.parameters, row, strict=True)})
            for step, row in zip(self._spec.ladder, answer.tolist(), strict=True)
        )

    def _answer(self, features: Features) -> Array:
        rows = self._rows.copy()
        rows[:, :-1] = self._row(features)
        answer = np.asarray(self._session.run(self._outputs, {self._input: rows})[0], dtype=np.float32)
        if answer.shape != (len(self._rows), len(self._spec.parameters)) or not np.isfinite(answer).all():
            raise ValueError("it does not answer one finite number per parameter")
        return answer


def _value(output: PlanOutput, raw: float) -> Any:
    """Return a plan parameter that lies within its bounds, whatever the regressor says."""
    if output.codes is not None:
        nearest = min(output.codes.items(), key=lambda code: abs(code[1] - raw))[0]
        return int(nearest) if output.name in PLAN_BOUNDS else nearest
    low, high = PLAN_BOUNDS[output.name]
    value = min(max(raw, output.low, low), output.high, high)
    return round(value) if output.integer or output.name not in _REAL else value


# The plan parameters that are no whole numbers.
_REAL = frozenset({"length_threshold"})
