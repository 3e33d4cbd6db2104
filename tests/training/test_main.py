"""`python -m training`: every step on a tiny corpus, end to end, resumable, and one line for each mistake."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from converter import run_plan
from models import HybridRouter, load_export
from router.pixels import decode
from tests.training.corpora import HELD_OUT, TRAINED, corpus_toml, pack
from training.__main__ import STEPS, main
from training._labelfile import read_labels
from training.errors import Incomplete

Train = Callable[..., int]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Return a function that runs a step in a directory of its own, on few small images and for few epochs."""
    for name, value in {
        "training._images.LARGEST": 56,
        "training._images.HUGE_SHARE": 0.0,
        "training._images.FAVICONS": (24, 48),
        "training._steps.EXPLORED": 2,
        "training._steps.TRIALS": 2,
        "training._steps.SEARCH_PLANS": 6,
        "training._steps.SEARCH_SHARE": 1.0,
    }.items():
        monkeypatch.setattr(name, value)
    for family in (TRAINED, HELD_OUT):
        pack(tmp_path / "corpus", family)
    folders = {"corpus": "corpus", "work": "work", "labels": "labels", "out": "models/default"}
    flags = [part for flag, name in folders.items() for part in (f"--{flag}", str(tmp_path / name))]

    def run(step: str, *more: str) -> int:
        return main([step, *flags, "--workers", "2", "--epochs", "2", "--quick", *more])

    return run


def test_all_from_nothing_makes_an_export_that_serves(
    work: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert work("all") == 0
    shown = capsys.readouterr()
    assert '"gap_closed"' in shown.out
    assert "0 failed" in shown.err
    kinds = ("extra trees", "random forest", "neighbours", "trees pricing", "network pricing")
    assert all(f"fit: {kind}: regret " in shown.err for kind in kinds)
    assert "constants of router/formulas.py: {" in shown.err
    found = {p.name for p in (tmp_path / "models" / "default").iterdir()}
    assert found >= {"model_info.json", "quality_predictor.onnx", "quality_predictor.pt", "base_forest.onnx"}

    image = Path("examples")
    router = HybridRouter(tmp_path / "models")
    data = next(p for p in sorted(image.iterdir()) if p.suffix == ".png").read_bytes()
    decision = router.route(data, quality_target=0.9)
    assert (decision.lane, decision.fallback_used) == ("onnx", False)
    # The policy is the packaged export's: quick runs train none.
    assert set(decision.predicted_qualities) == {"performance", "feature_mapping", "regression", "ppo"}
    assert decision.export is not None
    assert decision.export.name == "vecroute-default"
    assert run_plan(decode(data), decision.plan).path_count > 0

    # What serves is what was labelled: else the figures would leave out the images on which the two differ.
    export = load_export(tmp_path / "models" / "default", defaults=None)
    for one in read_labels(tmp_path / "work" / "label.jsonl"):
        offered = {plan for _, plan in export.candidates(one.features)}
        assert offered <= {run.plan for run in one.runs}

    before = (tmp_path / "work" / "label.jsonl").read_bytes()
    assert work("label") == 0
    assert "label: 0 images run now, 0 failed, 12 in all" in capsys.readouterr().err
    assert (tmp_path / "work" / "label.jsonl").read_bytes() == before
    assert work("evaluate") == 0
    assert set(msgspec.json.decode(capsys.readouterr().out)) == {"families"} | _held_out(before)


def test_pictures_are_those_held_out(work: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert work("pictures", "--limit", "2", "--out", str(tmp_path / "pictures")) == 0
    assert "pictures: 2 held-out images" in capsys.readouterr().err
    assert len(list((tmp_path / "pictures" / "families" / "badges").glob("*.svg"))) >= 1
    assert len(list((tmp_path / "pictures").rglob("*.svg"))) == 2


def _held_out(lines: bytes) -> set[str]:
    return {"images"} if b'"split":"images"' in lines else set()


@pytest.mark.parametrize(
    ("step", "says"),
    [
        pytest.param("search", "run `python -m training explore` first", id="search before explore"),
        pytest.param("fit", "run `python -m training explore` first", id="fit before explore"),
        pytest.param("label", "run `python -m training fit` first", id="label before fit"),
        pytest.param("train", "run `python -m training search` first", id="train before search"),
        pytest.param("evaluate", "is damaged", id="evaluate without labels"),
    ],
)
def test_a_step_out_of_order_says_what_to_run_first(
    work: Train, capsys: pytest.CaptureFixture[str], step: str, says: str
) -> None:
    assert work(step) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("training: ")
    assert said.count("\n") == 1


def test_fit_needs_what_search_found_on_all_images_too(
    work: Train, tmp_path: Path, explored: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "explore.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in explored))
    assert work("fit") == 1
    assert "run `python -m training search` first" in capsys.readouterr().err


def test_an_export_that_cannot_serve_is_one_line(
    work: Train, tmp_path: Path, labelled: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    from training._parquet import write_tables

    write_tables(tmp_path / "labels", {"label": labelled})  # type: ignore[dict-item]
    assert work("evaluate") == 1
    assert "model_info.json cannot be read" in capsys.readouterr().err


def test_a_corpus_without_training_images_is_told(
    work: Train, tmp_path: Path, labelled: list[object], fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = [one for one in labelled if one.spec.split == "families"]  # type: ignore[attr-defined]
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in held_out)
    shutil.copytree(fitted, tmp_path / "work" / "fitted")
    for name in ("search.jsonl", "label.jsonl"):
        (tmp_path / "work" / name).write_bytes(lines)
    assert work("train") == 1
    assert "every image is held out" in capsys.readouterr().err


def test_a_missing_family_is_named_and_the_others_are_fetched(
    work: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry has the second family only."""
    programs, archives = tmp_path / "bin", tmp_path / "corpus"
    programs.mkdir()
    kept = (archives / HELD_OUT.archive).rename(programs / HELD_OUT.archive)
    (archives / TRAINED.archive).unlink()
    (programs / "npm").write_text(f'#!/bin/sh\ncase "$*" in *badges*) cp {kept} . ;; *) echo 404 >&2; exit 1 ;; esac\n')
    (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert work("fetch") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("training: fetch: families are not there: @tiny/shapes (npm pack failed: 404); check ")
    assert [p.name for p in archives.iterdir()] == [HELD_OUT.archive]


def test_after_an_incomplete_step_the_next_one_is_run_and_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[object] = []

    def incomplete(_: object) -> None:
        raise Incomplete("fetch", 2, "label.failures.txt", [])

    monkeypatch.setitem(STEPS, "fetch", incomplete)
    monkeypatch.setitem(STEPS, "fit", ran.append)
    assert main(["fetch", "fit"]) == 1
    assert len(ran) == 1
    assert "training: fetch: 2 images have no label (label.failures.txt says why)" in capsys.readouterr().err


def test_a_full_disk_and_ctrl_c_are_told(
    work: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(STEPS, "search", full)
    assert work("search") == 1
    assert "free some room" in capsys.readouterr().err
    monkeypatch.setitem(STEPS, "search", stopped)
    assert work("search") == 130
    assert "go on where it stopped" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_workers_are_at_least_one(work: Train, workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        work("search", "--workers", workers)
    assert refused.value.code == 2
    assert "--workers" in capsys.readouterr().err


def test_an_address_without_its_engine_is_refused(work: Train, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        work("search", "--ray-address", "127.0.0.1:6379")
    assert refused.value.code == 2
    assert "--engine ray" in capsys.readouterr().err


def test_help_names_every_step() -> None:
    done = subprocess.run([sys.executable, "-m", "training", "--help"], capture_output=True, text=True, check=True)
    assert all(step in done.stdout for step in [*STEPS, "all"])
    assert corpus_toml(TRAINED).startswith("[train]")
