"""Outcomes: means over what was reported, what is learnt from it, whose predictions count, and no nonsense in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from daemon import keepsake
from daemon.outcomes import LATE_SECONDS, Outcomes
from daemon.truth import LEAST_REPORTS, Rule
from models import Export
from router import METHODS, Candidate, ExportInfo, Lane, Method, Plan, Prediction
from vecroute._wire import ReportRequest, plan_to_wire
from vecroute.errors import InvalidValue

KEY, PLAN = b"k" * 16, Plan(upscale=3)
KNOWN = Candidate(
    method="ppo", plan=PLAN, quality=0.95, quality_error=0.01, seconds=0.1, seconds_high=0.2, svg_bytes=9,
    svg_bytes_high=9,
)  # fmt: skip


class Memory:
    """Knows one plan on one image."""

    def __init__(self, lane: Lane = "onnx") -> None:
        self.known = Prediction(candidates=(KNOWN,), lane=lane)

    def recall_plan(self, key: bytes, method: Method, plan: Plan) -> Prediction | None:
        return self.known if (key, method, plan) == (KEY, "ppo", PLAN) else None


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeExport(Export):
    """An export of which only name, lane and metrics are known."""

    def __init__(self, digest: str, lane: Lane = "onnx") -> None:
        self.info = ExportInfo(name="test", version="1", digest=digest, metrics={"mae": 0.015})
        self._lane: Lane = lane

    @property
    def lane(self) -> Lane:
        return self._lane


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outcomes(clock: Clock) -> Outcomes:
    made = Outcomes(Memory(), Rule(), clock)
    made.use(FakeExport("a"))
    return made


def _report(
    quality: float = 0.9, predicted: float | None = None, seconds: float = 0.2, size: int = 10, **more: Any
) -> ReportRequest:
    given = {"method": "performance", **more}
    return ReportRequest(quality=quality, seconds=seconds, svg_bytes=size, predicted_quality=predicted, **given)


def _named(seconds: float = 0.2, quality: float = 0.9, **more: Any) -> ReportRequest:
    """Return a report that names the image and plan that `Memory` knows."""
    named: dict[str, Any] = {"method": "ppo", "hash": KEY.hex(), "plan": plan_to_wire(PLAN)}
    return _report(quality, seconds=seconds, **(named | more))


def _of(outcomes: Outcomes, method: Method = "ppo") -> float:
    return (outcomes.speed() or (1.0,) * 4)[METHODS.index(method)]


# ------------------------------------------------------------------ means


def test_nothing_reported_means_no_means(outcomes: Outcomes) -> None:
    status = outcomes.status()
    assert (status.count, status.mean_quality, status.mean_absolute_error, status.mean_seconds) == (0, None, None, None)
    assert outcomes.truth().count == 0
    assert outcomes.speed() == ()


def test_means_are_over_all_reports_and_errors_over_those_with_a_prediction(outcomes: Outcomes) -> None:
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
        (_report(float("nan")), "quality"),
        (_report(0.9, predicted=2.0), "predictedQuality"),
        (_report(seconds=-1.0), "seconds"),
        (_report(seconds=float("inf")), "seconds"),
        (_report(size=-1), "svgBytes"),
        (_report(method="magic"), "method"),
        (_report(predicted_seconds=float("nan")), "predictedSeconds"),
        (_named(hash="no hash"), "hash"),
        (_named(plan=msgspec.structs.replace(plan_to_wire(PLAN), upscale=99)), "plan.upscale"),
    ],
)
def test_numbers_that_cannot_have_been_measured_are_refused(
    outcomes: Outcomes, report: ReportRequest, parameter: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        outcomes.add(report)
    assert caught.value.parameter == parameter
    assert (outcomes.status().count, outcomes.truth().count, outcomes.speed()) == (0, 0, ())


# ------------------------------------------------------------------ speed


def test_what_the_daemon_predicted_itself_counts_and_not_what_a_report_says(outcomes: Outcomes) -> None:
    for _ in range(20):
        outcomes.add(_named(seconds=0.2, predicted_seconds=5.0))
    assert _of(outcomes) == pytest.approx(2.0, rel=0.1)


def test_without_image_and_plan_the_decisions_estimate_counts_which_has_the_speed_in_it(outcomes: Outcomes) -> None:
    """A host that takes twice as long as predicted; each report names what a decision of that moment estimated."""
    for _ in range(60):
        outcomes.add(_report(method="ppo", seconds=0.2, predicted_seconds=0.1 * _of(outcomes)))
    assert _of(outcomes) == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(_report(), id="nothing named"),
        pytest.param(_named(hash="00" * 16), id="an image that is not known"),
        pytest.param(_named(plan=None), id="no plan"),
        pytest.param(_named(method="regression"), id="another method"),
        pytest.param(_named(seconds=0.0), id="no time at all"),
    ],
)
def test_a_report_without_a_prediction_teaches_no_speed(outcomes: Outcomes, report: ReportRequest) -> None:
    for _ in range(20):
        outcomes.add(report)
    assert outcomes.speed() == ()
    assert outcomes.status().count == 20


def test_a_swap_does_not_change_the_host(outcomes: Outcomes) -> None:
    for _ in range(20):
        outcomes.add(_named(seconds=0.3))
    before = outcomes.speed()
    outcomes.use(FakeExport("b"))
    assert outcomes.speed() == before != ()


def test_a_client_that_reports_nonsense_for_ever_reaches_the_bound_and_no_more(outcomes: Outcomes) -> None:
    for number in range(2000):
        outcomes.add(_named(seconds=1e300, predicted_seconds=5e-324))
        outcomes.add(_report(seconds=5e-324, predicted_seconds=1e300))
        if number % 100 == 0:
            assert all(1 / 8 <= ratio <= 8 for ratio in outcomes.speed())
    assert _of(outcomes) <= 8.0
    assert _of(outcomes, "performance") >= 1 / 8


# ------------------------------------------------------------------ truth


def test_predictions_are_compared_with_what_was_measured(outcomes: Outcomes) -> None:
    outcomes.add(_report(0.90, predicted=0.92))
    outcomes.add(_report(0.80, predicted=0.81, method="ppo", export_digest="a"))
    outcomes.add(_report(0.80))
    truth = outcomes.truth()
    assert truth.count == 2
    assert truth.mean_absolute_error == pytest.approx(0.015)
    assert truth.bias == pytest.approx(-0.015)
    assert truth.correlation == pytest.approx(1.0)
    assert truth.method_errors == {"performance": pytest.approx(0.02), "ppo": pytest.approx(0.01)}
    assert truth.error_limit == pytest.approx(0.03)


def test_who_names_image_and_plan_need_not_name_the_prediction(outcomes: Outcomes) -> None:
    outcomes.add(_named(quality=0.90))
    assert outcomes.truth().mean_absolute_error == pytest.approx(0.05)
    assert outcomes.status().mean_absolute_error is None


def test_base_routing_predicts_no_quality(clock: Clock) -> None:
    outcomes = Outcomes(Memory(lane="base"), Rule(), clock)
    outcomes.use(FakeExport("a", lane="base"))
    outcomes.add(_named(quality=0.90))
    assert outcomes.truth().count == 0
    assert outcomes.truth().error_limit is None


def test_what_an_export_before_predicted_counts_for_nobody(outcomes: Outcomes, clock: Clock) -> None:
    outcomes.add(_report(0.9, predicted=0.5))
    outcomes.use(FakeExport("b"))
    assert outcomes.truth().count == 0
    outcomes.add(_report(0.9, predicted=0.5, export_digest="a"))
    clock.now += LATE_SECONDS - 0.1
    outcomes.add(_report(0.9, predicted=0.5))
    assert outcomes.truth().count == 0
    outcomes.add(_report(0.9, predicted=0.8, export_digest="b"))
    assert outcomes.truth().count == 1
    clock.now += 0.2
    outcomes.add(_report(0.9, predicted=0.8))
    outcomes.add(_report(0.9, predicted=0.5, export_digest="a"))
    truth = outcomes.truth()
    assert truth.count == 2
    assert truth.bias == pytest.approx(0.1)
    assert outcomes.status().count == 6


def _drifting() -> Iterator[ReportRequest]:
    for number in range(LEAST_REPORTS):
        yield _report(0.8 + number % 3 / 100, predicted=0.9 + number % 3 / 100)


def test_the_alarm_is_told_once_when_raised_and_once_when_over(outcomes: Outcomes) -> None:
    with capture_logs() as logs:
        for report in (*_drifting(), *_drifting()):
            outcomes.add(report)
        assert outcomes.truth().drift is not None
        for number in range(1000):
            outcomes.add(_report(0.9 + number % 3 / 100, predicted=0.9 + number % 3 / 100))
    assert outcomes.truth().drift is None
    assert [(log["event"], log["log_level"], log["export"]) for log in logs] == [
        ("predictions drift", "warning", "test 1"),
        ("predictions hold again", "info", "test 1"),
    ]
    assert "off by 0.1000 over 50 reports" in logs[0]["why"]
    assert logs[0]["bias"] == pytest.approx(-0.1)


def test_the_alarm_ends_with_its_export(outcomes: Outcomes) -> None:
    for report in _drifting():
        outcomes.add(report)
    with capture_logs() as logs:
        outcomes.use(FakeExport("b"))
        outcomes.use(FakeExport("c"))
    assert outcomes.truth().drift is None
    assert [log["event"] for log in logs] == ["drift alarm ends with its export"]


def test_the_speed_is_left_to_the_next_daemon(outcomes: Outcomes, clock: Clock, tmp_path: Path) -> None:
    for _ in range(20):
        outcomes.add(_report(seconds=0.4, predicted_seconds=0.2))
    outcomes.save_speed(tmp_path / "speed")
    following = Outcomes(Memory(), Rule(), clock)
    following.load_speed(tmp_path / "speed")
    assert following.speed() == pytest.approx(outcomes.speed(), rel=1e-3)
    assert following.status().count == 0


@pytest.mark.parametrize("body", [b"", b"nonsense", msgspec.msgpack.encode({"at": 0.0, "learnt": {"magic": [0.1, 2]}})])
def test_a_speed_that_none_has_saved_is_refused(outcomes: Outcomes, tmp_path: Path, body: bytes) -> None:
    outcomes.save_speed(tmp_path / "speed")
    magic = (tmp_path / "speed").read_bytes().partition(b"1 ")[0] + b"1 "
    keepsake.save(tmp_path / "speed", magic, body)
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own words
        outcomes.load_speed(tmp_path / "speed")
    assert outcomes.speed() == ()
