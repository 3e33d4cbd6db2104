"""The page holds everything it shows, and reads right whatever was measured."""

import re
from typing import Any

import msgspec
import pytest

from converter._grid import GRID
from tests.vecroute.cli.measured import FIGURES, made
from vecroute.cli._evaluation import Evaluation, evaluation
from vecroute.cli._failures import Failure
from vecroute.cli._measuring import Measured
from vecroute.cli._report_page import page
from vecroute.cli._report_tables import fidelity_table, heat_tables, loss_table, summary_table
from vecroute.cli._report_tiles import percent, tiles
from vecroute.cli._report_worst import Worst

TRUE: dict[str, Any] = {name.replace("@", "_"): {"fidelity_4x": q - 0.1} for name, (q, _) in FIGURES.items()}
UNSCORED: dict[str, Any] = {
    f"predicted_{name}": None
    for name in ("quality", "quality_error", "seconds", "seconds_high", "svg_bytes", "svg_bytes_high")
}


def drawn(*measured: Measured, failures: tuple[Failure, ...] = ()) -> tuple[str, Evaluation]:
    worst = Worst()
    for one in measured:
        worst.see(one)
    found = evaluation(measured, failures)
    return page(found, worst, "constrained"), found


def test_everything_is_in_it_and_nothing_is_loaded() -> None:
    bad = Failure(image="bad<.png", kind="NotAnImage", message="3 bytes are not an image")
    text, _ = drawn(made("in/a<b.png", keep=True, **TRUE), made("in/b.png", keep=True), failures=(bad,))
    assert not re.search(r'(?:src|href)="(?!data:|#)', text), "something is loaded from elsewhere"
    assert "<script" not in text
    assert "@import" not in text
    for title in (
        "Gap closed",
        "Quality and time",
        "Fidelity",
        "Predicted and measured",
        "Regret",
        "The worst decisions",
    ):
        assert title in text
    assert "a&lt;b.png" in text
    assert "bad&lt;.png" in text
    assert "1 images without a source are left out" in text
    assert text.count("<article>") == 2
    assert text.count("<svg ") == 2 + 2 + 1 + 1  # a plot a method, calibration and bounds, front, families
    assert text.count("data:image/png") >= 2 * 3
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_same_evaluation_gives_the_same_page() -> None:
    assert drawn(made("a", keep=True))[0] == drawn(made("a", keep=True))[0]


def test_without_predictor_sources_and_losses() -> None:
    text, found = drawn(made("a", keep=True, quality=1.0, seconds=0.001, svg_bytes=10, **UNSCORED))
    assert {choice.loss for choice in found.choices} == {""}
    for title in ("Fidelity to", "Predicted and measured", "The worst decisions", "Images left out"):
        assert title not in text
    assert "100.0%" in loss_table(found)


def test_a_method_nobody_knew_has_its_plot() -> None:
    one = made("a", keep=True)
    runs = tuple(
        msgspec.structs.replace(run, method="ppo") if run.candidate == "performance@1x" else run for run in one.runs
    )
    text, _ = drawn(msgspec.structs.replace(one, runs=runs))
    assert "<figcaption>ppo</figcaption>" in text


def test_heat_tells_each_cell() -> None:
    _, found = drawn(made("a", keep=True), made("b", keep=True, regression_4x={"quality": 0.7}))
    text = heat_tables(found)
    assert text.count("<td class=") == len(GRID)
    worse = msgspec.structs.replace(found.cells[0], gap_closed=-1887.0)
    assert "&lt; &minus;999%" in heat_tables(msgspec.structs.replace(found, cells=(worse, *found.cells[1:])))
    assert 'class="bad"' in heat_tables(msgspec.structs.replace(found, cells=(worse, *found.cells[1:])))


def test_the_best_fidelity_of_a_budget_stands_out() -> None:
    _, found = drawn(made("a", keep=True, **TRUE))
    text = fidelity_table(found)
    assert text.count("<b>") >= 4
    assert "<b>0.8700</b>" in text
    assert '<tr class="router">' in text
    assert "0.8700" in summary_table(found)


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(None, 0, "-"), (0.5, 0, "50%"), (-0.25, 1, "&minus;25.0%"), (0.9876, 1, "98.8%")]
)
def test_shares(value: float | None, digits: int, text: str) -> None:
    assert percent(value, digits) == text


def test_tiles_tell_the_headline() -> None:
    _, found = drawn(made("a", keep=True))
    text = tiles(found)
    assert "35.0%" in text  # (1 - 0.93) / (1 - 0.80)
    assert "fixed 3x: 120 ms" in text
    bare = tiles(drawn(made("a", keep=True, **UNSCORED))[1])
    assert "pearson" not in bare
