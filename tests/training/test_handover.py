"""Labels taken over, models trained on them, plots and a zip, step by step; one line for each mistake."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest

from models import HybridRouter
from training.__main__ import LONG, STEPS, main
from training._parquet import write_tables
from training._run import Label

Train = Callable[..., int]


@pytest.fixture
def work(tmp_path: Path) -> Train:
    """Return a function that runs steps in a directory of its own, for few epochs."""
    names = {"corpus": "corpus", "work": "work", "labels": "labels", "out": "export", "zip": "export.zip"}
    flags = [part for flag, name in names.items() for part in (f"--{flag}", str(tmp_path / name))]
    return lambda *steps: main([*steps, *flags, "--epochs", "2"])


def test_models_are_trained_on_labels_taken_over(
    work: Train,
    tmp_path: Path,
    searched: list[Label],
    labelled: list[Label],
    fitted: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_tables(tmp_path / "tables", {"search": searched, "label": labelled})
    taken = ("--tables", str(tmp_path / "tables"), "--source", str(fitted))
    assert work("reuse", "train", "plot", "bundle", *taken) == 0
    shown = capsys.readouterr()
    images = f"images: {len(searched)} of search, {len(labelled)} of label"
    assert f"reuse: {images}; 100% of the plans on offer were run on them" in shown.err
    assert "whole held-out families, 3 images: pearson" in shown.out
    assert "lanes onnx and torchscript" in shown.out
    assert (tmp_path / "work" / "plots.png").stat().st_size > 10_000
    with ZipFile(tmp_path / "export.zip") as archive:
        archive.extractall(tmp_path / "exported")
    assert HybridRouter(tmp_path / "exported").export.lane == "onnx"


@pytest.mark.parametrize(
    ("step", "says"),
    [
        pytest.param("reuse", "images.parquet is damaged", id="no tables"),
        pytest.param("plot", "images.parquet is damaged", id="plot before train"),
        pytest.param("bundle", "model_info.json cannot be read", id="bundle before train"),
    ],
)
def test_what_is_missing_is_one_line(
    work: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], step: str, says: str
) -> None:
    assert work(step, "--tables", str(tmp_path / "none")) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_plots_without_matplotlib_say_what_to_install(
    work: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "training._plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    assert work("plot") == 1
    assert "pip install 'vecroute[report]'" in capsys.readouterr().err


def test_labels_are_all_steps_before_train_and_quick_ones_leave_out_the_long(
    work: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    for name in STEPS:
        monkeypatch.setitem(STEPS, name, partial(lambda name, _: ran.append(name), name))
    assert work("labels") == 0
    assert (ran[0], ran[-1]) == ("fetch", "repeat")
    assert "train" not in ran
    before = [*ran]
    ran.clear()
    assert work("labels", "--quick") == 0
    assert ran == [step for step in before if step not in LONG]
    assert {"search", "fit", "label"} <= set(ran)
