"""`vecroute convert` turns images into SVG files, by a daemon or without."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from converter.errors import ConversionFailed
from router import RoutingDecision
from tests.daemon.harness import Daemon, wait_until
from tests.daemon.pictures import noise, png
from vecroute.cli import main

FIELDS = (
    "image output method plan predicted_quality quality predicted_seconds seconds svg_bytes path_count steps lane"
    " reasoning"
)


def convert(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Run with --json; return the exit code, the objects and what was said beside."""
    code = main(["convert", "--json", *map(str, arguments)])
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err


def test_by_the_daemon_which_is_told_the_outcome(
    daemon: Daemon, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = daemon.status().outcomes.count
    code, objects, remarks = convert(capsys, images, "-o", tmp_path / "out", "--socket", daemon.path, "--jobs", "2")
    assert code == 0
    assert [one["output"] for one in objects] == [str(tmp_path / "out" / n) for n in ("a.svg", "sub/b.svg")]
    for one in objects:
        assert list(one) == FIELDS.split()
        assert Path(one["output"]).stat().st_size == one["svg_bytes"]
        assert 0 < one["quality"] <= 1
        assert one["lane"] == "onnx"
    assert daemon.status().outcomes.count == before + 2
    assert remarks == "vecroute: 2 of 2 images converted\n"


def test_without_a_daemon_and_for_people(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(images / "a.png"), "-o", str(tmp_path / "x.svg")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{images / 'a.png'} -> {tmp_path / 'x.svg'}: ")
    assert ", quality " in said.out
    assert "(predicted " in said.out
    assert said.err.count("\n") == 1
    assert "deciding in this process" in said.err
    assert (tmp_path / "x.svg").read_text().startswith("<svg ")


def test_one_bad_image_does_not_stop_the_others(
    images: Path, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, objects, remarks = convert(capsys, images, images / "none.png", "-o", tmp_path / "out")
    assert code == 1
    assert {Path(one["image"]).name: one.get("error", {}).get("kind") for one in objects} == {
        "none.png": "Unreadable",
        "a.png": None,
        "damaged.png": "DamagedImage",
        "b.png": None,
    }
    assert "vecroute: 2 of 4 images converted, 2 failed\n" in remarks
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.svg")) == ["a.svg", "b.svg"]


def test_the_daemon_says_the_same_of_a_bad_image(
    daemon: Daemon, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, objects, _ = convert(capsys, damaged, "-o", tmp_path / "x.svg", "--socket", daemon.path)
    assert code == 1
    assert "the image is damaged" in objects[0]["error"]["message"]
    assert not (tmp_path / "x.svg").exists()


def test_one_method_only(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, objects, _ = convert(capsys, images / "a.png", "-o", tmp_path / "x.svg", "--method", "performance")
    assert objects[0]["method"] == "performance"


def test_same_stem_twice(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (images / "a.gif").write_bytes(png())
    code, objects, _ = convert(capsys, images, "-o", tmp_path)
    assert code == 0
    assert {Path(one["output"]).name for one in objects} == {"a.gif.svg", "a.png.svg", "b.svg"}


def test_several_images_into_one_file_is_nonsense(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(images), "-o", str(tmp_path / "x.svg")]) == 2
    assert "give a directory (see `vecroute convert --help`)" in capsys.readouterr().err


def test_empty_directory_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["convert", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "holds no image" in said


def test_unwritable_output_is_told(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    code, objects, _ = convert(capsys, images / "a.png", "-o", tmp_path / "file" / "x.svg")
    assert code == 1
    assert objects[0]["error"]["kind"] == "Unwritable"


def test_failed_method_falls_back_and_is_told(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from converter import Converter

    real = Converter.convert
    failures = iter([ConversionFailed("its process ended with code 139")])

    def fail_once(self: Converter, *args: Any, **kwargs: Any) -> Any:
        for failure in failures:
            raise failure
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Converter, "convert", fail_once)
    code, objects, remarks = convert(capsys, images / "a.png", "-o", tmp_path / "x.svg")
    assert (code, len(objects)) == (0, 1)
    assert "fell back from" in remarks
    assert "ended with code 139" in remarks


def test_outcome_not_taken_is_only_a_remark(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vecroute.cli._routing import Asker
    from vecroute.errors import InvalidValue

    def refuse(self: Asker, image: bytes, decision: RoutingDecision, **_: object) -> None:
        raise InvalidValue("seconds", "seconds is -1; give a number of at least 0")

    monkeypatch.setattr(Asker, "report", refuse)
    code, _, remarks = convert(capsys, images / "a.png", "-o", tmp_path / "x.svg")
    assert code == 0
    assert "the daemon did not take the outcome" in remarks


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_stopped_in_between_leaves_whole_files_and_no_process(number: int, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group, as from a terminal; SIGTERM only the command."""
    images = tmp_path / "in"
    images.mkdir()
    for index in range(30):
        (images / f"{index:02}.png").write_bytes(png() if index == 0 else noise(200))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "vecroute.cli",
        "convert",
        images,
        "-o",
        tmp_path / "out",
        "--json",
        "--jobs",
        "2",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)
    assert process.stdout is not None
    assert b"quality" in process.stdout.readline()
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.decode().splitlines()[-1] == "vecroute: stopped"
    assert b"Traceback" not in said
    written = list((tmp_path / "out").iterdir())
    assert 0 < len(written) < 30
    assert all(path.read_text().endswith("</svg>\n") for path in written)
    anyio.run(wait_until, lambda: not _members(process.pid))  # the fork server sees at its leisure that we are gone


def _members(group: int) -> list[int]:
    """Return the processes of a group that still run; zombies that nobody waits for do not count."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(own) == group and state != "Z":
            found.append(int(path.parent.name))
    return found
