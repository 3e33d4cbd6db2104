"""Measuring an image and asking an export about it, in the pool and under deadlines; base routing if that fails."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import anyio

from daemon.pool import Job, Pool
from models import Cancel, Export
from models.errors import PredictionError
from router import Candidate, Features, Lane, Method, Plan, Prediction, base_candidate
from router.pixels import Sample
from vecroute.errors import Overloaded

R = TypeVar("R")
Measure = Callable[[], Sample]


class Scored(NamedTuple):
    """What one plan of the caller's own is predicted to reach, and which lane said so."""

    candidate: Candidate
    lane: Lane


class Inference:
    """Asks exports. Two deadlines, seconds: `request_timeout` until the image is measured, then `deadline`."""

    def __init__(self, pool: Pool, request_timeout: float, deadline: float) -> None:
        self._pool = pool
        self._request_timeout = request_timeout
        self._deadline = deadline

    def share(self, work: Callable[[], R]) -> Callable[[], R]:
        """See `Pool.share`; for what measures an image."""
        return self._pool.share(work)

    async def predict(self, export: Export, measure: Measure) -> Prediction:
        """Return what the export says of an image; if it is late or fails, what base routing says, with the reason.

        Raises:
            RouterError: the image cannot be measured.
            Overloaded: it was not measured in time, or too many others wait.
        """
        return await self._ask(
            measure, lambda sample, cancel: export.predict(sample, cancel=cancel), export.predict_base
        )

    async def predict_plan(self, export: Export, measure: Measure, method: Method, plan: Plan) -> Scored:
        """Return what is predicted for one plan. Raises like `predict`."""

        def ask(sample: Sample, cancel: Cancel) -> Scored:
            return Scored(export.predict_plan(sample, method, plan, cancel=cancel), export.lane)

        def base(features: Features, _reason: str) -> Scored:
            return Scored(base_candidate(method, plan, features), "base")

        return await self._ask(measure, ask, base)

    async def _ask(self, measure: Measure, ask: Callable[[Sample, Cancel], R], base: Callable[[Features, str], R]) -> R:
        cancel = Cancel()

        def work(job: Job[Sample, R]) -> R:
            sample = measure()
            job.announce(sample)
            return ask(sample, cancel)

        job = self._pool.submit(work, stop=cancel.cancel)
        sample = None
        try:
            sample = await self._measured(job)
            # The clock of the prediction starts when the image is measured: in a queue it would only measure the queue.
            with anyio.move_on_after(self._deadline):
                return await job.wait_result()
            reason = f"the prediction took longer than {self._deadline * 1000:.0f} ms"
        except PredictionError as error:
            reason = str(error)
        finally:
            self._pool.abandon(job)
        assert sample is not None, "a prediction cannot fail before the image is measured"
        return base(sample.features, reason)

    async def _measured(self, job: Job[Sample, R]) -> Sample:
        try:
            with anyio.fail_after(self._request_timeout):
                return await job.wait_stage()
        except TimeoutError as error:
            raise Overloaded(
                f"the image was not measured within {self._request_timeout:g} s; try again or scale it down"
            ) from error
