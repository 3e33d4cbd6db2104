"""`vecroute evaluate` measures, chooses and compares."""

import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path, PurePath
from typing import Any

import msgspec
import pytest

from converter import Conversion, Converter, convert_bytes
from converter._fidelity import draw_source
from converter._fixed import FIXED
from converter._grid import GRID
from converter.errors import ConversionFailed
from router import METHODS, Candidate, Plan
from tests.daemon.harness import Daemon
from tests.exports import write_export
from tests.router.drawings import disc, encoded
from vecroute.cli import main
from vecroute.cli._images import Found
from vecroute.cli._measuring import Evaluator, family_of, name_candidates
from vecroute.cli._routing import Asker

SOURCE = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#fff"/>
<circle cx="10" cy="10" r="8" fill="#c81e1e"/><path d="M22 3h14v14z" fill="#1e64c8"/></svg>"""


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
        assert {row["method"] for row in rows} == {*FIXED, *METHODS}
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


def test_a_report_with_fidelity_where_a_source_lies_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "in"
    for name, source in {"true": SOURCE, "other": SOURCE.replace(b'"#fff"', b'"#000"'), "alone": None}.items():
        (directory / name).mkdir(parents=True)
        (directory / name / "disc.png").write_bytes(encoded(draw_source(SOURCE, 48, 24)))
        if source is not None:
            (directory / name / "disc.svg").write_bytes(source)
    page, file = tmp_path / "new" / "report.html", tmp_path / "result.json"
    assert main(["evaluate", str(directory), "--html", str(page), "--json", str(file)]) == 0
    said = capsys.readouterr()
    assert "disc.svg: the SVG beside the image is not taken for its source" in said.err
    assert "2 of 3 images have no source beside them" in said.out
    assert "Fidelity 4x within each time budget" in said.out

    found = json.loads(file.read_text())
    assert (found["images"], found["sources"]) == (3, 1)
    measured = {row["image"]: row["fidelity_4x"] for row in found["rows"]}
    assert {Path(name).parent.name: value is not None for name, value in measured.items()} == {
        "alone": False,
        "other": False,
        "true": True,
    }
    assert {row["family"] for row in found["rows"]} == {"alone", "other", "true"}
    assert {(row["width"], row["height"]) for row in found["rows"]} == {(48, 24)}

    text = page.read_text()
    assert "Fidelity to the true source" in text
    assert "<figcaption>regression</figcaption>" in text
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]


def test_without_matplotlib_the_report_says_what_to_install(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vecroute.cli.evaluate.find_spec", lambda _: None)
    assert main(["evaluate", str(images), "--html", str(tmp_path / "report.html")]) == 1
    said = capsys.readouterr().err
    assert said == "vecroute: matplotlib is not installed, --html needs it; run: pip install 'vecroute[report]'\n"
    assert not (tmp_path / "report.html").exists()


def test_matplotlib_is_loaded_for_the_report_only() -> None:
    code = "import sys, vecroute.cli._evaluation, vecroute.cli._report_page; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_early_end_leaves_nothing_half_written(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("vecroute.cli._report_page.front_plot", stop)
    (tmp_path / "report.html").write_text("before")
    assert main(["evaluate", str(images / "a.png"), "--html", str(tmp_path / "report.html")]) == 130
    assert (tmp_path / "report.html").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report.html"]


def test_a_worker_that_dies_at_once_is_a_failed_image(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def die(*_: object, **__: object) -> None:
        raise ConversionFailed("its process ended")

    monkeypatch.setattr(Converter, "convert", die)
    assert main(["evaluate", str(images)]) == 1
    assert "its process ended" in capsys.readouterr().err


def test_ppo_is_measured_as_the_search_it_is(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    searched: list[Plan] = []

    def refine(_: Converter, data: bytes, plan: Plan, model: object) -> Conversion:
        searched.append(plan)
        return convert_bytes(data, plan)

    monkeypatch.setattr(Converter, "refine", refine)
    with Asker(models=models) as asker, closing(Evaluator(asker, "constrained", 1)) as evaluator:
        done = evaluator._convert("ppo", encoded(disc()), Plan(upscale=2))
    assert searched == [Plan(upscale=2)]
    assert done.quality is not None


def test_decisions_know_how_fast_the_host_was_so_far(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slowly(_: Converter, data: bytes, plan: Plan, *__: object, **___: object) -> Conversion:
        return msgspec.structs.replace(convert_bytes(data, plan), seconds=60.0)

    for name in ("convert", "refine"):
        monkeypatch.setattr(Converter, name, slowly)
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(encoded(disc()))
    file = tmp_path / "result.json"
    arguments = ["evaluate", str(tmp_path), "--socket", str(tmp_path / "nobody"), "--models", str(models)]
    assert main([*arguments, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    said = {(Path(run["image"]).stem, run["candidate"]): run["predicted_seconds"] for run in found["rows"]}
    scored = {candidate for (image, candidate), seconds in said.items() if image == "a" and seconds is not None}
    assert scored
    assert all(said["b", candidate] > 1.5 * said["a", candidate] for candidate in scored)
    for choice in found["choices"]:
        # A moment lies between the two, and what is known of a host fades.
        expected = pytest.approx(said[Path(choice["image"]).stem, choice["candidate"]], rel=1e-3)
        assert choice["predicted_seconds"] == expected
    assert "times the predicted seconds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "below", "family"),
    [("/logos/a/b/c.png", "a/b/c.png", "a/b"), ("/logos/c.png", "c.png", "logos"), ("/c.png", "c.png", "")],
)
def test_a_family_is_the_directory_below_the_one_named(path: str, below: str, family: str) -> None:
    assert family_of(Found(Path(path), PurePath(below))) == family


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path)]) == 1
    assert "nothing to compare" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--json", "--html"])
def test_a_result_needs_a_file(flag: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(images), flag, str(tmp_path)]) == 2
    assert f"is a directory; name a file for {flag}" in capsys.readouterr().err


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
