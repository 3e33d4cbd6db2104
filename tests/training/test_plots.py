"""Plots of predicted beside measured: a picture that can be opened, and figures that are those of the evaluation."""

from pathlib import Path

import cv2
import pytest

from models import load_export
from tests.exports import write_export
from training._evaluate import predictor_errors, sample_of_label
from training._plots import plot
from training._run import Label


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return an export with a predictor that offers what the labels hold, as far as it needs no regressor."""
    return write_export(tmp_path / "export", regressor=False)


def test_both_splits_are_drawn_and_told(tmp_path: Path, export: Path, labelled: list[Label]) -> None:
    loaded = load_export(export)
    splits = {"families": labelled[-3:], "images": labelled[:5]}
    lines = plot(loaded, splits, tmp_path / "new" / "plots.png")
    picture = cv2.imread(str(tmp_path / "new" / "plots.png"))
    assert picture is not None
    assert picture.shape[1] > picture.shape[0] > 400
    told = predictor_errors(labelled[:5], [loaded.predict(sample_of_label(label)) for label in labelled[:5]])
    assert [line.split(",")[0] for line in lines] == [
        "whole held-out families",
        "held-out drawings of trained families",
    ]
    assert f"5 images: pearson {told['pearson']:.4g}, mae {told['mae']:.4g}, " in lines[1]


def test_nothing_held_out_still_gives_a_picture(tmp_path: Path, export: Path) -> None:
    assert plot(load_export(export), {}, tmp_path / "plots.png") == []
    assert (tmp_path / "plots.png").stat().st_size > 1000
