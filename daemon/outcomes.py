"""Outcomes are what conversions really gave; the daemon keeps their sums."""

from vecroute._wire import OutcomeStatus, ReportRequest, check_report


class Outcomes:
    """Counts reports and how far the predictions were off."""

    def __init__(self) -> None:
        self._count = 0
        self._quality = 0.0
        self._seconds = 0.0
        self._predicted = 0
        self._error = 0.0

    def add(self, report: ReportRequest) -> None:
        """Count one report.

        Raises:
            InvalidValue: a number that cannot have been measured, or an unknown method.
        """
        check_report(report)
        self._count += 1
        self._quality += report.quality
        self._seconds += report.seconds
        if report.predicted_quality is not None:
            self._predicted += 1
            self._error += abs(report.quality - report.predicted_quality)

    def status(self) -> OutcomeStatus:
        return OutcomeStatus(
            count=self._count,
            mean_quality=_mean(self._quality, self._count),
            mean_absolute_error=_mean(self._error, self._predicted),
            mean_seconds=_mean(self._seconds, self._count),
        )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
