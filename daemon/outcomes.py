"""Outcomes are what conversions really gave: how fast the host is, and whether the predictions come true."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from daemon import keepsake
from daemon.truth import Rule, Truth
from models import Export
from router import METHODS, Method, Plan, Prediction
from vecroute._learnt_speed import Learnt, Speed
from vecroute._speed import AS_PREDICTED
from vecroute._wire import (
    OutcomeStatus,
    ReportRequest,
    TruthStatus,
    check_report,
    plan_from_wire,
    request_hash,
    request_method,
)

_log = structlog.get_logger("daemon.outcomes")

# After a swap, reports that do not say whose prediction they had may still be the old export's: most conversions
# end within this many seconds of their decision.
LATE_SECONDS = 10.0
_MAGIC = b"vecroute speed 1 "
_FILE_BYTES = 4096


class _Kept(msgspec.Struct, frozen=True):
    """What the next daemon is told; `at` is the time of day, seconds."""

    at: float
    learnt: dict[Method, Learnt]


class Memory(Protocol):
    """Whoever knows what was predicted."""

    def recall_plan(self, key: bytes, method: Method, plan: Plan) -> Prediction | None:
        """Return what the export that serves says of one plan on an image, as its only candidate, if that is known."""


class Outcomes:
    """Takes reports. `use` tells whose predictions are compared from then on."""

    def __init__(self, memory: Memory, rule: Rule, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory, self._rule, self._clock = memory, rule, clock
        self._count = 0
        self._quality = 0.0
        self._seconds = 0.0
        self._predicted = 0
        self._error = 0.0
        self._speed = Speed()
        self._truth = Truth(rule, judged=False)
        self._export: Export | None = None
        self._strangers_until = -1.0

    def use(self, export: Export) -> None:
        """Begin anew with an export: what the one before predicted says nothing of it."""
        if self._truth.drifted:
            _log.info("drift alarm ends with its export")
        if self._export is not None:
            self._strangers_until = self._clock() + LATE_SECONDS
        self._truth = Truth(self._rule, export.info.metrics.get("mae"), judged=export.lane != "base")
        self._export = export

    def add(self, report: ReportRequest) -> None:
        """Count one report and learn from it.

        Raises:
            InvalidValue: a number that cannot have been measured, an unknown method, a hash or plan that is none.
        """
        check_report(report)
        method = request_method(report.method)
        known = self._recall(report, method)
        self._count += 1
        self._quality += report.quality
        self._seconds += report.seconds
        if report.predicted_quality is not None:
            self._predicted += 1
            self._error += abs(report.quality - report.predicted_quality)
        self._learn_speed(report, method, known)
        self._compare(report, method, known)

    def speed(self) -> tuple[float, ...]:
        """Return `router.Host.speed` of this moment."""
        return self._speed.at(self._clock())

    def save_speed(self, path: Path) -> None:
        """Write what is known of the host's speed for the next daemon.

        Raises:
            OSError: it cannot be written; what was there before is still there.
        """
        kept = _Kept(time.time(), self._speed.learnt(self._clock()))
        keepsake.save(path, _MAGIC, msgspec.msgpack.encode(kept))

    def load_speed(self, path: Path) -> None:
        """Know again what `save_speed` has written, as far as it still counts.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not ours, damaged, or of another version.
        """
        kept = msgspec.msgpack.decode(keepsake.load(path, _MAGIC, _FILE_BYTES), type=_Kept)
        self._speed.recall(kept.learnt, time.time() - kept.at, self._clock())

    def status(self) -> OutcomeStatus:
        """Return the means over all reports."""
        return OutcomeStatus(
            count=self._count,
            mean_quality=_mean(self._quality, self._count),
            mean_absolute_error=_mean(self._error, self._predicted),
            mean_seconds=_mean(self._seconds, self._count),
        )

    def truth(self) -> TruthStatus:
        """Return how true the export's predictions are."""
        return self._truth.status()

    def _recall(self, report: ReportRequest, method: Method) -> Prediction | None:
        """Return what this daemon predicted of the plan that was run, if it is told which and still knows."""
        key = None if report.hash is None else request_hash(report.hash)
        plan = None if report.plan is None else plan_from_wire(report.plan)
        return None if key is None or plan is None else self._memory.recall_plan(key, method, plan)

    def _learn_speed(self, report: ReportRequest, method: Method, known: Prediction | None) -> None:
        now = self._clock()
        if known is not None:
            predicted = known.candidates[0].seconds
        elif report.predicted_seconds is not None:
            # The decision's estimate had this host's speed in it already; the one of now is near to that.
            speed = self._speed.at(now) or AS_PREDICTED
            predicted = report.predicted_seconds / speed[METHODS.index(method)]
        else:
            return
        self._speed.add(method, measured=report.seconds, predicted=predicted, now=now)

    def _compare(self, report: ReportRequest, method: Method, known: Prediction | None) -> None:
        predicted = report.predicted_quality if self._is_ours(report) else None
        if predicted is None and report.predicted_quality is None and known is not None and known.lane != "base":
            predicted = known.candidates[0].quality
        if predicted is None:
            return
        before = self._truth.drifted
        self._truth.add(method, predicted=predicted, measured=report.quality)
        if self._truth.drifted != before:
            self._tell_drift()

    def _is_ours(self, report: ReportRequest) -> bool:
        """Tell whether the prediction in a report can be the one of the export that serves."""
        if report.export_digest is None:
            return self._clock() >= self._strangers_until
        return self._export is not None and report.export_digest == self._export.info.digest

    def _tell_drift(self) -> None:
        status = self._truth.status()
        export = None if self._export is None else f"{self._export.info.name} {self._export.info.version}"
        if status.drift is not None:
            _log.warning("predictions drift", export=export, why=status.drift, bias=status.bias)
        else:
            _log.info("predictions hold again", export=export, error=status.mean_absolute_error)


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
