"""`vecroute warm` fills the cache; what cannot be done is told, and the rest is done."""

import io
import json
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon
from vecroute.cli import main


def test_what_was_computed_is_known_then(daemon: Daemon, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "c.png").write_bytes((images / "a.png").read_bytes() + b"more")  # another hash
    socket = f"--socket={daemon.path}"
    assert main(["warm", str(images / "c.png"), socket]) == 0
    assert capsys.readouterr().err.endswith("1 images computed, 0 known already, 0 failed\n")
    assert main(["warm", str(images), socket, "--jobs", "2"]) == 0
    assert "1 known already, 0 failed" in capsys.readouterr().err
    assert main(["route", "--json", str(images), socket]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["cache"] for line in said} == {"local"}


def test_programs_get_a_line_for_each_image(
    daemon: Daemon, images: Path, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["warm", str(images), "absent.png", "--json", "--socket", str(daemon.path)]) == 1
    captured = capsys.readouterr()
    said = {line["image"]: line for line in map(json.loads, captured.out.splitlines())}
    assert len(said) == 4
    assert said[str(damaged)]["error"]["kind"] == "InvalidImage"
    assert said["absent.png"]["error"]["kind"] == "Unreadable"
    assert said[str(images / "a.png")]["cache"] in ("miss", "hit", "local")
    assert said[str(images / "a.png")]["lane"] == "onnx"
    assert captured.err.endswith("2 failed\n")


@pytest.mark.parametrize("given", ["file", "-"])
def test_names_from_a_list(
    daemon: Daemon, images: Path, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{images / 'a.png'}\n\n{images / 'sub'}\n"
    (images / "names").write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    name = str(images / "names") if given == "file" else given
    assert main(["warm", name, "--json", "--socket", str(daemon.path)]) == 0
    said = [json.loads(line)["image"] for line in capsys.readouterr().out.splitlines()]
    assert said == [str(images / "a.png"), str(images / "sub" / "b.png")]


def test_a_list_that_is_no_text(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "names").write_bytes(b"\xff\xfe")
    assert main(["warm", str(images / "names")]) == 2
    assert "is no list of names" in capsys.readouterr().err


def test_without_a_daemon_it_ends_at_once(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm", str(images)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("start one with `vecroute serve`\n")


def test_nothing_found(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm", "absent.png", "--socket", str(daemon.path)]) == 1
    assert capsys.readouterr().err.endswith("0 images computed, 0 known already, 1 failed\n")
