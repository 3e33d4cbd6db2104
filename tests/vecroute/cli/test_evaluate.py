"""`vecroute evaluate` measures, chooses and compares."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from converter import Converter
from converter._fixed import FIXED
from converter._grid import GRID
from router import Candidate, Plan
from tests.daemon.harness import Daemon
from tests.exports import write_export
from vecroute.cli import main
from vecroute.cli._measuring import name_candidates


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, models: Path, daemon: Daemon) -> dict[str, Any]:
    """Return the JSON of one evaluation, asked from the daemon."""
    from tests.daemon.pictures import png

    directory = tmp_path_factory.mktemp("evaluate")
    (directory / "in").mkdir()
    (directory / "in" / "a.png").write_bytes(png((48, 48)))
    (directory / "in" / "b.png").write_bytes(png((64, 32), (0, 0, 255, 255)))
    (directory / "in" / "bad.png").write_bytes(b"bad")
    file = directory / "result.json"
    arguments = ["evaluate", str(directory / "in"), "--json", str(file), "--socket", str(daemon.path)]
    assert main([*arguments, "--models", str(models)]) == 1
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_every_candidate_and_fixed_plan_has_a_row(evaluated: dict[str, Any]) -> None:
    assert evaluated["images"] == 2
    by_image: dict[str, list[dict[str, Any]]] = {}
    for row in evaluated["rows"]:
        by_image.setdefault(row["image"], []).append(row)
    assert [Path(name).name for name in by_image] == ["a.png", "b.png"]
    for rows in by_image.values():
        assert {row["method"] for row in rows} == {*FIXED, "performance", "feature_mapping", "regression"}
        for row in rows:
            assert 0 < row["quality"] <= 1
            assert row["seconds"] > 0
            assert row["svg_bytes"] > 0
            assert (row["predicted_quality"] is None) == (row["method"] in FIXED)


def test_a_choice_for_each_image_target_and_budget(evaluated: dict[str, Any]) -> None:
    cells = [(c["quality_target"], c["time_budget"], c["svg_budget"]) for c in evaluated["choices"]]
    assert sorted(map(str, cells)) == sorted(str((c.quality_target, c.time_budget, c.svg_budget)) for c in GRID * 2)
    figures = {(row["image"], row["candidate"]): row for row in evaluated["rows"]}
    for choice in evaluated["choices"]:
        row = figures[choice["image"], choice["candidate"]]
        assert choice["quality"] == row["quality"]
        assert choice["predicted_quality"] == row["predicted_quality"]
        assert 0 <= choice["utility"] <= choice["best_utility"] <= 1


def test_means_agree_with_the_choices(evaluated: dict[str, Any]) -> None:
    choices = evaluated["choices"]
    assert evaluated["pooled"]["router"] == pytest.approx(sum(c["utility"] for c in choices) / len(choices))
    assert evaluated["pooled"]["vbs"] == pytest.approx(sum(c["best_utility"] for c in choices) / len(choices))
    assert evaluated["summaries"][-1]["name"] == "router"
    assert evaluated["summaries"][-1]["utility"] == pytest.approx(evaluated["pooled"]["router"])
    assert evaluated["predictor"]["count"] == sum(row["predicted_quality"] is not None for row in evaluated["rows"])
    assert len(evaluated["cells"]) == len(GRID)


def test_bad_images_stand_in_the_result(evaluated: dict[str, Any]) -> None:
    (failure,) = evaluated["failures"]
    assert Path(failure["image"]).name == "bad.png"
    assert failure["kind"] == "NotAnImage"


def test_tables_for_people(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(images / "a.png"), "--policy", "weighted"]) == 0
    said = capsys.readouterr()
    assert "deciding in this process" in said.err
    assert re.search(r"│ defaults +│ +1 │ +[01]\.\d{4} │", said.out)
    assert re.search(r"│ 0\.95, 100 ms │ +[01]\.\d{4} │", said.out)
    assert "the methods' candidates" in said.out
    assert "Predicted against measured quality" in said.out


def test_a_run_that_fails_counts_as_nothing(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from converter.errors import ConversionFailed

    real = Converter.convert

    def fail_on_splines(self: Converter, data: bytes, plan: Plan, **kwargs: Any) -> Any:
        if plan.mode == "spline":
            raise ConversionFailed("panic")
        return real(self, data, plan, **kwargs)

    monkeypatch.setattr(Converter, "convert", fail_on_splines)
    assert main(["evaluate", str(images / "a.png"), "--json", str(tmp_path / "e.json")]) == 0
    rows = json.loads((tmp_path / "e.json").read_text())["rows"]
    (failed,) = [row for row in rows if row["method"] == "defaults"]
    assert failed["quality"] is None
    assert "panic" in failed["error"]
    assert "defaults: the conversion failed (panic)" in capsys.readouterr().err


def test_another_export_in_the_daemon_is_told(
    daemon: Daemon, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_export(tmp_path / "models" / "other", name="other")
    arguments = ["evaluate", str(images), "--socket", str(daemon.path), "--models", str(tmp_path / "models")]
    assert main(arguments) == 0
    assert capsys.readouterr().err.count("the daemon serves test") == 1


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "nothing to compare" in capsys.readouterr().err


def test_json_needs_a_file(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(images), "--json", str(tmp_path)]) == 2
    assert "is a directory; name a file" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_told_before_the_work(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(images), "--json", str(images / "a.png" / "e.json")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "cannot write" in said.err


def test_no_more_workers_than_images(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(Converter):
        def __init__(self, *, workers: int, timeout: float = 60) -> None:
            made.append(workers)
            super().__init__(workers=workers, timeout=timeout)

    monkeypatch.setattr("vecroute.cli._measuring.Converter", Counted)
    assert main(["evaluate", str(images / "a.png"), "--jobs", "1000"]) == 0
    assert made == [1, 1]  # one converts, one measures fidelity


def test_candidates_are_named_by_method_and_upscale() -> None:
    def candidate(upscale: int, palette: int = 0) -> Candidate:
        return Candidate(
            method="regression",
            plan=Plan(upscale=upscale, palette=palette),
            quality=0.9,
            quality_error=0.01,
            seconds=0.1,
            seconds_high=0.2,
            svg_bytes=100,
            svg_bytes_high=200,
        )

    assert list(name_candidates([candidate(1), candidate(2), candidate(2, 8)])) == [
        "regression@1x",
        "regression@2x",
        "regression@2x.2",
    ]
