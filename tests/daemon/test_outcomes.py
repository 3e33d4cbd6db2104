"""Outcomes: means over what was reported, and no nonsense in them."""

import pytest

from daemon.outcomes import Outcomes
from vecroute._wire import ReportRequest
from vecroute.errors import InvalidValue


def _report(
    quality: float = 0.9, predicted: float | None = None, seconds: float = 0.2, size: int = 10
) -> ReportRequest:
    return ReportRequest(
        method="performance", quality=quality, seconds=seconds, svg_bytes=size, predicted_quality=predicted
    )


def test_nothing_reported_means_no_means() -> None:
    status = Outcomes().status()
    assert (status.count, status.mean_quality, status.mean_absolute_error, status.mean_seconds) == (0, None, None, None)


def test_means_are_over_all_reports_and_errors_over_those_with_a_prediction() -> None:
    outcomes = Outcomes()
    outcomes.add(_report(0.9, predicted=0.8))
    outcomes.add(_report(0.7, predicted=0.75, seconds=0.4))
    outcomes.add(_report(0.8, seconds=0.6))
    status = outcomes.status()
    assert status.count == 3
    assert status.mean_quality == pytest.approx(0.8)
    assert status.mean_absolute_error == pytest.approx(0.075)
    assert status.mean_seconds == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("report", "parameter"),
    [
        (_report(1.5), "quality"),
        (_report(-0.1), "quality"),
        (_report(0.9, predicted=2.0), "predictedQuality"),
        (_report(seconds=-1.0), "seconds"),
        (_report(seconds=float("inf")), "seconds"),
        (_report(size=-1), "svgBytes"),
    ],
)
def test_numbers_that_cannot_have_been_measured_are_refused(report: ReportRequest, parameter: str) -> None:
    outcomes = Outcomes()
    with pytest.raises(InvalidValue) as caught:
        outcomes.add(report)
    assert caught.value.parameter == parameter
    assert outcomes.status().count == 0
