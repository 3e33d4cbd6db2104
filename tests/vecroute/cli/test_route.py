"""`vecroute route` shows decisions."""

import json
from pathlib import Path

import pytest

from router import RoutingDecision
from tests.daemon.harness import Daemon
from vecroute.cli import main


def test_people_read_a_sentence(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", str(images)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(images / "a.png"), str(images / "sub" / "b.png")]
    assert all("is predicted to reach" in line for line in lines)


def test_programs_read_the_decision(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", str(images / "a.png"), "--json", "--quality-target", "0.9", "--policy", "weighted"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    decision = json.loads(line)
    assert set(decision) == {"image", *RoutingDecision.__struct_fields__}
    assert decision["policy"] == "weighted"
    assert decision["plan"]["color_precision"]
    assert decision["export"]["trained_on"] is not None


def test_daemon_and_process_decide_alike(daemon: Daemon, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wishes = [str(images), "--json", "--quality-target=0.9", "--time-budget=0.2", "--svg-budget=20000"]
    assert main(["route", *wishes, "--socket", str(daemon.path)]) == 0
    asked = capsys.readouterr()
    assert main(["route", *wishes]) == 0
    made = capsys.readouterr()
    assert asked.err == ""
    assert "deciding in this process" in made.err
    passing = {"cache", "decided_at", "prediction_seconds", "system_load", "resource_availability"}
    one, other = (
        [{k: v for k, v in json.loads(line).items() if k not in passing} for line in said.out.splitlines()]
        for said in (asked, made)
    )
    assert one == other


def test_one_method_only(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", str(images / "a.png"), "--json", "--method", "performance"]) == 0
    assert json.loads(capsys.readouterr().out)["primary_method"] == "performance"


def test_bad_images_are_told_and_the_others_go_on(
    images: Path, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", str(images / "none.png"), str(images), "--json"]) == 1
    said = capsys.readouterr()
    objects = [json.loads(line) for line in said.out.splitlines()]
    assert ["error" in one for one in objects] == [True, False, True, False]
    assert objects[2]["image"] == str(damaged)
    assert objects[2]["error"]["kind"] == "DamagedImage"
    assert f"vecroute: {damaged}: the image is damaged" in said.err
