"""`vecroute status` shows the daemon."""

import json

import pytest
from msgspec.structs import replace

from router import METHODS
from tests.daemon.harness import Daemon
from tests.vecroute.builders import STATUS
from vecroute._wire import OutcomeStatus, TruthStatus
from vecroute.cli import main
from vecroute.cli.status import _facts


def test_for_programs(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--socket", str(daemon.path)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert {"ready", "lane", "export", "cache", "requests", "uptimeSeconds"} <= set(status)
    assert {"name", "version", "digest"} <= set(status["export"])
    assert {"hits", "misses", "entries"} <= set(status["cache"])
    assert status["speed"] == dict.fromkeys(METHODS, 1.0)
    assert (status["truth"]["count"], status["truth"]["drift"]) == (0, None)


def test_for_people(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(daemon.path)]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["ready"] == "yes"
    assert lines["lane"] == "onnx"
    assert lines["outcomes"] == "none reported"
    assert lines["speed"] == "as predicted"
    assert lines["truth"] == "no prediction reported on"
    assert "drift" not in lines
    assert "verified)" in lines["export"]


def test_outcomes_and_problems_show() -> None:
    outcomes = OutcomeStatus(count=3, mean_quality=0.95, mean_absolute_error=0.012, mean_seconds=0.05)
    facts = _facts(
        replace(STATUS, outcomes=outcomes, export=None, export_problem="bad hash", ready=False, draining=True)
    )
    assert facts["ready"] == "no, draining"
    assert facts["export"].startswith("none")
    assert facts["outcomes"] == "3 reported: quality 0.950 in 50 ms on average, predictions off by 0.0120"
    assert facts["problem"] == "bad hash"


def test_speed_truth_and_the_alarm_show() -> None:
    truth = TruthStatus(
        count=512, correlation=0.912, mean_absolute_error=0.0412, bias=-0.031, error_limit=0.0343, drift="they drifted"
    )
    facts = _facts(replace(STATUS, truth=truth, speed={"performance": 1.001, "ppo": 2.984}))
    assert facts["speed"] == "ppo 2.98 times the predicted seconds"
    assert facts["truth"] == (
        "last 512 predictions of quality off by 0.0412 of 0.0343 allowed (bias -0.0310), correlation 0.91"
    )
    assert facts["drift"] == "ALARM: they drifted; see docs/daemon.md"


def test_a_lane_that_is_not_judged_and_a_daemon_that_says_nothing_show() -> None:
    unjudged = TruthStatus(count=1, mean_absolute_error=0.05, bias=0.05)
    assert (
        _facts(replace(STATUS, truth=unjudged))["truth"] == "last 1 predictions of quality off by 0.0500 (bias +0.0500)"
    )
    assert _facts(STATUS)["truth"] == "no prediction reported on"
    assert _facts(STATUS)["speed"] == "as predicted"


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("start one with `vecroute serve`\n")
