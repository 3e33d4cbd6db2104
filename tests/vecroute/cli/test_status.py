"""`vecroute status` shows the daemon."""

import json

import pytest

from tests.daemon.harness import Daemon
from tests.vecroute.builders import STATUS
from vecroute._wire import OutcomeStatus
from vecroute.cli import main
from vecroute.cli.status import _facts


def test_for_programs(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--socket", str(daemon.path)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert {"ready", "lane", "export", "cache", "requests", "uptimeSeconds"} <= set(status)
    assert {"name", "version", "digest"} <= set(status["export"])
    assert {"hits", "misses", "entries"} <= set(status["cache"])


def test_for_people(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(daemon.path)]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["ready"] == "yes"
    assert lines["lane"] == "onnx"
    assert lines["outcomes"] == "none reported"
    assert "verified)" in lines["export"]


def test_outcomes_and_problems_show() -> None:
    from msgspec.structs import replace

    outcomes = OutcomeStatus(count=3, mean_quality=0.95, mean_absolute_error=0.012, mean_seconds=0.05)
    facts = _facts(
        replace(STATUS, outcomes=outcomes, export=None, export_problem="bad hash", ready=False, draining=True)
    )
    assert facts["ready"] == "no, draining"
    assert facts["export"].startswith("none")
    assert facts["outcomes"] == "3 reported: quality 0.950 in 50 ms on average, predictions off by 0.0120"
    assert facts["problem"] == "bad hash"


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("start one with `vecroute serve`\n")
