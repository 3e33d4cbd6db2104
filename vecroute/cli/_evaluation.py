"""What was measured and chosen becomes an evaluation: means, the grid, and how much of the gap was closed."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from converter._agreement import Agreement
from converter._fixed import FIXED
from converter._grid import (
    GRID,
    Cell,
    Indices,
    Judgement,
    Outcomes,
    Pooled,
    Row,
    collect,
    judge,
    pool,
    utilities,
    virtual_best,
)
from router import GRID_BUDGETS
from vecroute.cli._failures import Failure
from vecroute.cli._measuring import Choice, Measured, Run
from vecroute.cli._report_headline import Headline, headline
from vecroute.cli._report_reasons import explain

ROUTER = "router"


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the grid: how the router did in it."""

    judgement: Judgement
    gap_closed: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What taking one candidate always, or the router, gives on average; `utility` is the mean over the grid.

    `fidelity_4x` is None where no image has a source.
    """

    name: str
    images: int
    quality: float
    seconds: float
    svg_bytes: float
    utility: float
    fidelity_4x: float | None = None


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """What taking one candidate always, or the router asked for no target, gives within one time budget.

    `fidelity_4x` is the mean over images with a source, 0 where the budget is broken; `kept` the share that keeps it.
    """

    name: str
    time_budget: float | None
    fidelity_4x: float
    kept: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result. `pooled` compares among the methods' candidates, `pooled_with_fixed` with fixed plans too.

    `sources` counts the images whose true source lies beside them: `fidelity` is made of those.
    """

    images: int
    sources: int
    lanes: dict[str, int]
    exports: tuple[str, ...]
    headline: Headline
    pooled: Pooled
    pooled_with_fixed: Pooled
    pooled_by_svg_budget: dict[str, Pooled]
    predictor: Agreement | None
    summaries: tuple[Summary, ...]
    fidelity: tuple[Fidelity, ...]
    cells: tuple[CellResult, ...]
    rows: tuple[Run, ...]
    choices: tuple[Choice, ...]
    failures: tuple[Failure, ...]


def evaluation(measured: Sequence[Measured], failures: Sequence[Failure]) -> Evaluation:
    """Compare what was chosen, and weighed, with what was possible."""
    runs = [run for one in measured for run in one.runs]
    outcomes = collect(_row(run) for run in runs)
    own = _own(outcomes)
    chosen = {cell: outcomes.chosen([one.choices[i].candidate for one in measured]) for i, cell in enumerate(GRID)}
    cells = {cell: judge(outcomes, cell, columns, own) for cell, columns in chosen.items()}
    choices = [choice for one in measured for choice in one.choices]
    found = headline(measured, outcomes, chosen, tuple(cells.values()))
    sizes = dict.fromkeys(cell.svg_budget for cell in GRID)
    return Evaluation(
        images=len(measured),
        sources=sum(one.source for one in measured),
        lanes=dict(Counter(one.lane for one in measured)),
        exports=tuple(dict.fromkeys(one.export for one in measured if one.export is not None)),
        headline=found,
        pooled=pool(cells.values()),
        pooled_with_fixed=pool(judge(outcomes, cell, columns) for cell, columns in chosen.items()),
        pooled_by_svg_budget={str(z): pool(j for c, j in cells.items() if c.svg_budget == z) for z in sizes},
        predictor=found.quality,
        summaries=(*_summaries(outcomes, runs), _summary_of(choices, measured)),
        fidelity=tuple(_fidelity(measured)),
        cells=tuple(CellResult(judgement=j, gap_closed=j.gap_closed) for j in cells.values()),
        rows=tuple(runs),
        choices=tuple(choices),
        failures=tuple(failures),
    )


def _row(run: Run, *, fidelity: bool = False) -> Row:
    """Return a run as a row of the grid; with `fidelity`, that stands in the place of quality."""
    quality = run.fidelity_4x if fidelity else run.quality
    return Row(
        image=run.image,
        candidate=run.candidate,
        method="" if run.candidate in FIXED else run.method,
        step=run.plan.upscale,
        quality=quality or 0.0,
        seconds=math.inf if run.seconds is None else run.seconds,
        svg_bytes=math.inf if run.svg_bytes is None else run.svg_bytes,
    )


def weigh(one: Measured) -> Measured:
    """Return an image's choices with the figures of the runs they stand for, beside its best candidate in each cell."""
    outcomes = collect(map(_row, one.runs))
    own = _own(outcomes)
    runs = {run.candidate: run for run in one.runs}
    weighed = []
    for cell, choice in zip(GRID, one.choices, strict=True):
        value = dict(zip(outcomes.candidates, utilities(outcomes, cell)[0].tolist(), strict=True))
        run, best = runs[choice.candidate], outcomes.candidates[virtual_best(outcomes, cell, own)[0]]
        choice = msgspec.structs.replace(
            choice,
            quality=run.quality,
            seconds=run.seconds,
            svg_bytes=run.svg_bytes,
            utility=value[choice.candidate],
            best_candidate=best,
            best_utility=value[best],
        )
        loss = explain(choice, run, runs[best])
        weighed.append(msgspec.structs.replace(choice, loss="" if loss is None else loss.kind))
    return msgspec.structs.replace(one, choices=tuple(weighed))


def _own(outcomes: Outcomes) -> Indices:
    """Return the columns of the methods' candidates, the fixed plans left out."""
    return outcomes.columns(name for name in outcomes.candidates if name not in FIXED)


def _summaries(outcomes: Outcomes, runs: Iterable[Run]) -> list[Summary]:
    true = collect(_row(run, fidelity=True) for run in runs if run.fidelity_4x is not None)
    utility = np.mean([utilities(outcomes, cell).mean(axis=0) for cell in GRID], axis=0)
    found = []
    for column, name in sorted(enumerate(outcomes.candidates), key=lambda one: _rank(one[1])):
        ran = np.isfinite(outcomes.seconds[:, column])
        if ran.any():
            quality, seconds, svg_bytes = (
                float(figures[ran, column].mean())
                for figures in (outcomes.quality, outcomes.seconds, outcomes.svg_bytes)
            )
            found.append(
                Summary(
                    name=name,
                    images=int(ran.sum()),
                    quality=quality,
                    seconds=seconds,
                    svg_bytes=svg_bytes,
                    utility=float(utility[column]),
                    fidelity_4x=_column_mean(true, name),
                )
            )
    return found


def _rank(name: str) -> tuple[bool, list[str | int]]:
    """Return what puts names in order: fixed plans first, then the methods, 2x before 10x."""
    return name not in FIXED, [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _column_mean(outcomes: Outcomes, name: str) -> float | None:
    if name not in outcomes.candidates:
        return None
    return float(np.nanmean(outcomes.quality[:, outcomes.candidates.index(name)]))


def _summary_of(choices: Sequence[Choice], measured: Sequence[Measured]) -> Summary:
    true = {(run.image, run.candidate): run.fidelity_4x for one in measured for run in one.runs}
    fidelity = _mean(true[choice.image, choice.candidate] for choice in choices)
    return Summary(
        name=ROUTER,
        images=len(measured),
        quality=_mean(c.quality for c in choices),
        seconds=_mean(c.seconds for c in choices),
        svg_bytes=_mean(c.svg_bytes for c in choices),
        utility=_mean(c.utility for c in choices),
        fidelity_4x=None if math.isnan(fidelity) else fidelity,
    )


def _fidelity(measured: Sequence[Measured]) -> Iterator[Fidelity]:
    """Yield each candidate, then the router, with each time budget; nothing where no image has a source."""
    true = [one for one in measured if one.source]
    if not true:
        return
    outcomes = collect(_row(run, fidelity=True) for one in true for run in one.runs)
    by_cell = {cell: [one.choices[i].candidate for one in true] for i, cell in enumerate(GRID)}
    for budget in reversed(GRID_BUDGETS):
        value = utilities(outcomes, Cell(time_budget=budget))
        kept = outcomes.seconds <= (math.inf if budget is None else budget)
        rows = np.arange(len(true))
        router = outcomes.chosen(by_cell[Cell(time_budget=budget)])
        columns = {name: np.full(len(true), j, dtype=np.intp) for j, name in enumerate(outcomes.candidates)}
        for name in (*sorted(columns, key=_rank), ROUTER):
            own = router if name == ROUTER else columns[name]
            yield Fidelity(
                name=name,
                time_budget=budget,
                fidelity_4x=float(value[rows, own].mean()),
                kept=float(kept[rows, own].mean()),
            )


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan
