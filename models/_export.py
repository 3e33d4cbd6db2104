"""A loaded export predicts; daemon and in-process router share it, so both decide exactly the same."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from models._compose import Composer
from models._lanes import Cancel, PredictorLane
from models._manifest import Manifest
from models._methods import Roles, candidates
from models._policy import PolicyModel
from models.errors import PredictionFailed
from router import Candidate, ExportInfo, Features, Lane, Method, Plan, Prediction, base_candidate, single
from router.pixels import Sample

# A prediction that took longer counts as late, and `decide` trusts it less (design: the decision).
LATE_SECONDS = 0.050
# e^60 is 1e26 seconds or bytes: beyond it lies only overflow.
MOST_EXPONENT = 60.0
NO_PREDICTOR = "the export has no predictor"


class Predictor:
    """A lane with what is needed to ask it and to read its answer."""

    def __init__(self, lane: PredictorLane, manifest: Manifest) -> None:
        self.lane = lane
        self._composer = Composer(manifest.inputs)
        self._columns = [(n, column, n in manifest.output_transforms) for n, column in manifest.outputs.items()]
        self._width = max(manifest.outputs.values()) + 1
        self._error = manifest.numeric_metrics().get("mae")

    def score(
        self, sample: Sample, plans: Sequence[tuple[Method, Plan]], cancel: Cancel | None
    ) -> tuple[Candidate, ...]:
        """Return a candidate for each plan, all scored in one run.

        Raises:
            PredictionCancelled: `cancel` was called.
            PredictionFailed: the model raised, or answered something that is no number.
        """
        output = self.lane.run(self._composer.compose(sample, plans), cancel)
        if len(output) != len(plans) or output.shape[1] < self._width:
            raise PredictionFailed(f"the predictor answered {output.shape} for {len(plans)} candidates")
        rows = zip(plans, output.tolist(), strict=True)
        return tuple(self._candidate(self._read(row), base_candidate(*plan, sample.features)) for plan, row in rows)

    def _read(self, row: list[float]) -> dict[str, float]:
        if not all(math.isfinite(row[column]) for _, column, _ in self._columns):
            raise PredictionFailed("the predictor answered a value that is no number")
        return {
            name: math.exp(min(row[column], MOST_EXPONENT)) if exponential else row[column]
            for name, column, exponential in self._columns
        }

    def _candidate(self, said: Mapping[str, float], base: Candidate) -> Candidate:
        """Return the base candidate with everything replaced that the predictor says."""
        seconds, seconds_high = _bounded(said.get("seconds"), said.get("seconds_high"), base.seconds, base.seconds_high)
        size, size_high = _bounded(
            said.get("svg_bytes"), said.get("svg_bytes_high"), base.svg_bytes, base.svg_bytes_high
        )
        quality = min(max(said["quality"], 0.0), 1.0)
        error = max(said.get("quality_error", base.quality_error if self._error is None else self._error), 0.0)
        quality, error, seconds, seconds_high, size, size_high = single(
            quality, error, seconds, seconds_high, size, size_high
        )
        return Candidate(
            method=base.method,
            plan=base.plan,
            quality=quality,
            quality_error=error,
            seconds=seconds,
            seconds_high=seconds_high,
            svg_bytes=size,
            svg_bytes_high=size_high,
        )


class Export:
    """An export in service. It never changes, so any number of threads may use one.

    `info` tells who it is; `lane` which lane serves, `base` without a predictor; `problems` why a lane or role does
    not serve, one line each; `degraded` whether it has predictors of which none serves; `borrowed` the digest of the
    export that each missing role was taken from.
    """

    def __init__(
        self,
        info: ExportInfo,
        roles: Roles,
        predictor: Predictor | None = None,
        *,
        created: datetime | None = None,
        degraded: bool = False,
        problems: Sequence[str] = (),
        borrowed: Mapping[str, str] | None = None,
    ) -> None:
        self.info = info
        self.created = created
        self.degraded = degraded
        self.problems = tuple(problems)
        self.borrowed = dict(borrowed or {})
        self._roles, self._predictor = roles, predictor

    def __repr__(self) -> str:
        return f"<Export {self.info.name} {self.info.version} {self.info.digest[:12]} lane={self.lane}>"

    @property
    def lane(self) -> Lane:
        """The lane that serves."""
        return self._predictor.lane.name if self._predictor else "base"

    @property
    def policy(self) -> PolicyModel | None:
        """The plan policy that refines plans, the export's own or a borrowed one."""
        return self._roles.policy

    def candidates(self, features: Features) -> list[tuple[Method, Plan]]:
        """Return every method's plans for an image, at most eight."""
        return candidates(features, self._roles)

    def predict(self, sample: Sample, *, cancel: Cancel | None = None) -> Prediction:
        """Score all candidates in one run and add the base table; base routing where there is no predictor.

        Raises:
            PredictionCancelled: `cancel` was called.
            PredictionFailed: the model raised, or answered something that is no number.
        """
        if self._predictor is None:
            return self.predict_base(sample.features, self._no_predictor)
        started = time.perf_counter()
        scored = self._predictor.score(sample, self.candidates(sample.features), cancel)
        base = self._base(sample.features)
        seconds = time.perf_counter() - started
        return Prediction(
            candidates=scored,
            base=base,
            lane=self.lane,
            late=seconds > LATE_SECONDS,
            prediction_seconds=single(seconds)[0],
            export=self.info,
        )

    def predict_base(self, features: Features, reason: str) -> Prediction:
        """Return what the forest, or only the rule table, says of an image; `reason` is why nobody asked more."""
        started = time.perf_counter()
        scored = tuple(base_candidate(method, plan, features) for method, plan in self.candidates(features))
        base = self._base(features)
        return Prediction(
            candidates=scored,
            base=base,
            prediction_seconds=single(time.perf_counter() - started)[0],
            export=self.info,
            fallback_reason=reason,
        )

    def predict_plan(self, sample: Sample, method: Method, plan: Plan, *, cancel: Cancel | None = None) -> Candidate:
        """Return what is predicted for one plan of the caller's own.

        Raises:
            PredictionCancelled: `cancel` was called.
            PredictionFailed: the model raised, answered no number, or has no code for a value of the plan.
        """
        if self._predictor is None:
            return base_candidate(method, plan, sample.features)
        return self._predictor.score(sample, [(method, plan)], cancel)[0]

    @property
    def _no_predictor(self) -> str:
        return self.problems[0] if self.problems else NO_PREDICTOR

    def _base(self, features: Features) -> dict[Method, tuple[float, ...]]:
        return self._roles.forest.probabilities(features) if self._roles.forest else {}


def _bounded(said: float | None, high: float | None, base: float, base_high: float) -> tuple[float, float]:
    """Return an estimate and its upper bound; without one of its own, in the base candidate's proportion."""
    if said is None:
        return base, base_high
    estimate = max(said, 0.0)
    return estimate, max(estimate, high if high is not None else estimate * base_high / base)
