"""Arithmetic of the evaluation, against examples worked out by hand."""

import math

import numpy as np
import pytest

from converter._grid import (
    GRID,
    NOT_CHOSEN,
    Cell,
    Judgement,
    Outcomes,
    Pooled,
    Row,
    collect,
    gap_closed,
    judge,
    kept_where_possible,
    over_fixed,
    pool,
    regrets,
    single_best,
    utilities,
    virtual_best,
)

# Two images, three candidates: a cheap one, one that is good on the first image, one that is good on the second.
ROWS = [
    Row(image="one", candidate="cheap", quality=0.80, seconds=0.01, svg_bytes=1000),
    Row(image="one", candidate="left", quality=0.98, seconds=0.05, svg_bytes=5000),
    Row(image="one", candidate="right", quality=0.90, seconds=0.20, svg_bytes=20000),
    Row(image="two", candidate="cheap", quality=0.85, seconds=0.01, svg_bytes=1000),
    Row(image="two", candidate="left", quality=0.80, seconds=0.05, svg_bytes=5000),
    Row(image="two", candidate="right", quality=0.95, seconds=0.20, svg_bytes=20000),
]
FREE = Cell()


@pytest.fixture
def outcomes() -> Outcomes:
    return collect(ROWS)


def test_grid_has_every_target_time_and_size() -> None:
    assert len(GRID) == len(set(GRID)) == 4 * 4 * 2
    assert Cell(0.95, 0.1, 10_000) in GRID
    assert FREE in GRID


@pytest.mark.parametrize(
    ("cell", "utility"),
    [
        pytest.param(FREE, [[0.80, 0.98, 0.90], [0.85, 0.80, 0.95]], id="quality itself without a target"),
        pytest.param(Cell(0.90), [[0.8 / 0.9, 1, 1], [0.85 / 0.9, 0.8 / 0.9, 1]], id="no more than the target counts"),
        pytest.param(Cell(None, 0.1), [[0.80, 0.98, 0], [0.85, 0.80, 0]], id="too slow is worth nothing"),
        pytest.param(Cell(None, 0.05), [[0.80, 0.98, 0], [0.85, 0.80, 0]], id="just in time is in time"),
        pytest.param(Cell(None, None, 1000), [[0.80, 0, 0], [0.85, 0, 0]], id="too large is worth nothing"),
    ],
)
def test_utilities(outcomes: Outcomes, cell: Cell, utility: list[list[float]]) -> None:
    assert utilities(outcomes, cell) == pytest.approx(np.array(utility))


@pytest.mark.parametrize(
    ("cell", "best", "single"),
    [
        pytest.param(FREE, ["left", "right"], "right", id="mean 0.825, 0.89, 0.925"),
        pytest.param(Cell(0.90), ["left", "right"], "right", id="a tie goes to the faster"),
        pytest.param(Cell(0.80), ["cheap", "cheap"], "cheap", id="all reach it"),
        pytest.param(Cell(None, 0.1), ["left", "cheap"], "left", id="the slow one is out"),
        pytest.param(Cell(None, 0.001), ["cheap", "cheap"], "cheap", id="nothing fits, the fastest"),
    ],
)
def test_single_and_virtual_best(outcomes: Outcomes, cell: Cell, best: list[str], single: str) -> None:
    assert [outcomes.candidates[i] for i in virtual_best(outcomes, cell)] == best
    assert outcomes.candidates[single_best(outcomes, cell)] == single


def test_ties_in_time_go_to_fewer_bytes() -> None:
    rows = [Row(image="i", candidate=c, quality=1, seconds=0.1, svg_bytes=b) for c, b in (("fat", 9), ("thin", 8))]
    assert collect(rows).candidates[virtual_best(collect(rows), FREE)[0]] == "thin"
    assert collect(rows).candidates[single_best(collect(rows), FREE)] == "thin"


def test_portfolio_leaves_the_others_out(outcomes: Outcomes) -> None:
    own = outcomes.columns(["cheap", "left"])
    assert [outcomes.candidates[i] for i in virtual_best(outcomes, FREE, own)] == ["left", "cheap"]
    assert outcomes.candidates[single_best(outcomes, FREE, own)] == "left"


def test_judgement_by_hand(outcomes: Outcomes) -> None:
    """The router takes the best for the first image and the cheap one for the second."""
    found = judge(outcomes, Cell(0.95, 0.3), outcomes.chosen(["left", "cheap"]))
    assert found.router == pytest.approx((1 + 0.85 / 0.95) / 2)
    assert found.single_best == "right"
    assert found.sbs == pytest.approx((0.9 / 0.95 + 1) / 2)
    assert found.vbs == 1
    assert found.gap_closed == pytest.approx((found.router - found.sbs) / (1 - found.sbs))
    assert (found.met, found.vbs_met, found.kept) == (0.5, 1, 1)
    assert [found.seconds, found.svg_bytes] == pytest.approx([0.03, 3000])


def test_broken_budgets_and_absent_choices_count_as_nothing(outcomes: Outcomes) -> None:
    found = judge(outcomes, Cell(None, 0.1), outcomes.chosen(["right", None]))
    assert (found.router, found.kept, found.met) == (0, 0, 0)
    assert found.seconds == pytest.approx((0.2 + 0) / 2)


def test_regret_is_what_the_choice_lost(outcomes: Outcomes) -> None:
    lost = regrets(outcomes, FREE, outcomes.chosen(["cheap", "right"]))
    assert lost == pytest.approx([0.18, 0])


def test_pooling_averages_before_it_divides(outcomes: Outcomes) -> None:
    choice = outcomes.chosen(["left", "cheap"])
    tied, free = judge(outcomes, Cell(0.80), choice), judge(outcomes, FREE, choice)
    both = pool([tied, free])
    assert tied.gap_closed is None
    assert [both.router, both.sbs, both.vbs] == pytest.approx([(1 + 0.915) / 2, (1 + 0.925) / 2, (1 + 0.965) / 2])
    assert both.gap_closed == pytest.approx((0.915 - 0.925) / (0.965 - 0.925))


@pytest.mark.parametrize(
    ("router", "sbs", "vbs", "closed"),
    [
        pytest.param(0.9, 0.9, 1.0, 0.0, id="as good as the single best"),
        pytest.param(1.0, 0.9, 1.0, 1.0, id="as good as the virtual best"),
        pytest.param(0.85, 0.9, 1.0, -0.5, id="worse than the single best"),
        pytest.param(0.9, 0.9, 0.9, None, id="nothing to close"),
    ],
)
def test_gap_closed(router: float, sbs: float, vbs: float, closed: float | None) -> None:
    assert gap_closed(router, sbs, vbs) == (None if closed is None else pytest.approx(closed))


def test_a_step_that_an_image_lacks_stands_for_the_finest_below() -> None:
    def run(image: str, step: int) -> Row:
        return Row(
            image=image, candidate=f"m@{step}", method="m", step=step, quality=step / 10, seconds=step, svg_bytes=step
        )

    other = Row(image="large", candidate="fixed", quality=0.9, seconds=1, svg_bytes=1)
    found = collect([run("small", 1), run("small", 2), run("small", 3), run("large", 2), other])
    assert found.candidates == ("m@1", "m@2", "m@3", "fixed")
    assert found.quality[1].tolist() == [0.2, 0.2, 0.2, 0.9]
    assert math.isnan(found.quality[0, 3])


def test_what_was_not_run_or_failed_is_never_best() -> None:
    rows = [
        Row(image="one", candidate="a", quality=0.1, seconds=1, svg_bytes=1),
        Row(image="one", candidate="b", quality=0.0, seconds=math.inf, svg_bytes=math.inf),
        Row(image="two", candidate="b", quality=0.5, seconds=1, svg_bytes=1),
    ]
    found = collect(rows)
    assert [found.candidates[i] for i in virtual_best(found, FREE)] == ["a", "b"]
    assert judge(found, FREE, found.chosen(["b", "b"])).seconds == 1
    assert found.chosen(["c", None]).tolist() == [NOT_CHOSEN, NOT_CHOSEN]


def test_some_images_only(outcomes: Outcomes) -> None:
    second = outcomes.only([1])
    assert second.images == ("two",)
    assert second.quality.tolist() == [[0.85, 0.80, 0.95]]


def judgement(cell: Cell, *, kept: float, possible: float, images: int = 10) -> Judgement:
    return Judgement(
        cell=cell, images=images, router=0.7, sbs=0.5, vbs=0.9, single_best="a", met=0.0, vbs_met=0.0, kept=kept,
        vbs_kept=possible, seconds=0.1, svg_bytes=100.0,
    )  # fmt: skip


def test_only_budgets_that_some_candidate_keeps_count_as_broken() -> None:
    free = judgement(Cell(), kept=1.0, possible=1.0)
    tight = judgement(Cell(time_budget=0.1), kept=0.4, possible=0.5)
    small = judgement(Cell(svg_budget=10_000), kept=0.3, possible=0.5)
    assert kept_where_possible([free, tight, small]) == pytest.approx(0.7)
    assert kept_where_possible([free]) is None
    assert kept_where_possible([judgement(Cell(time_budget=1e-9), kept=0.0, possible=0.0)]) is None


def test_beside_the_fixed_plans_the_virtual_best_stays_that_of_the_methods() -> None:
    methods = Pooled(router=0.8, sbs=0.7, vbs=0.9, gap_closed=0.5)
    fixed = Pooled(router=0.8, sbs=0.5, vbs=0.6, gap_closed=3.0)
    beside = over_fixed(methods, fixed)
    assert (beside.router, beside.sbs, beside.vbs) == (0.8, 0.5, 0.9)
    assert beside.gap_closed == pytest.approx(0.75)
