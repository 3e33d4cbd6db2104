"""What was measured and chosen becomes an evaluation: means, the grid, and how much of the gap was closed."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from converter._agreement import Agreement, agreement
from converter._fixed import FIXED
from converter._grid import (
    GRID,
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
from vecroute.cli._failures import Failure
from vecroute.cli._measuring import Choice, Measured, Run

ROUTER = "router"


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the grid: how the router did in it."""

    judgement: Judgement
    gap_closed: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What taking one candidate always, or the router, gives on average; `utility` is the mean over the grid."""

    name: str
    images: int
    quality: float
    seconds: float
    svg_bytes: float
    utility: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result. `pooled` compares among the methods' candidates, `pooled_with_fixed` with fixed plans too."""

    images: int
    lanes: dict[str, int]
    pooled: Pooled
    pooled_with_fixed: Pooled
    pooled_by_svg_budget: dict[str, Pooled]
    predictor: Agreement | None
    summaries: tuple[Summary, ...]
    cells: tuple[CellResult, ...]
    rows: tuple[Run, ...]
    choices: tuple[Choice, ...]
    failures: tuple[Failure, ...]


def evaluation(measured: Sequence[Measured], failures: Sequence[Failure]) -> Evaluation:
    """Compare what was chosen with what was possible."""
    runs = [run for one in measured for run in one.runs]
    outcomes = collect(_row(run) for run in runs)
    own = _own(outcomes)
    chosen = {cell: outcomes.chosen([one.choices[i].candidate for one in measured]) for i, cell in enumerate(GRID)}
    cells = {cell: judge(outcomes, cell, columns, own) for cell, columns in chosen.items()}
    choices = _weigh(measured, outcomes)
    pairs = [
        (r.predicted_quality, r.quality) for r in runs if r.predicted_quality is not None and r.quality is not None
    ]
    sizes = dict.fromkeys(cell.svg_budget for cell in GRID)
    return Evaluation(
        images=len(measured),
        lanes=dict(Counter(one.lane for one in measured)),
        pooled=pool(cells.values()),
        pooled_with_fixed=pool(judge(outcomes, cell, columns) for cell, columns in chosen.items()),
        pooled_by_svg_budget={str(z): pool(j for c, j in cells.items() if c.svg_budget == z) for z in sizes},
        predictor=agreement([p for p, _ in pairs], [m for _, m in pairs]),
        summaries=(*_summaries(outcomes), _summary_of(choices, len(measured))),
        cells=tuple(CellResult(judgement=j, gap_closed=j.gap_closed) for j in cells.values()),
        rows=tuple(runs),
        choices=tuple(choices),
        failures=tuple(failures),
    )


def _row(run: Run) -> Row:
    return Row(
        image=run.image,
        candidate=run.candidate,
        method="" if run.candidate in FIXED else run.method,
        step=run.plan.upscale,
        quality=run.quality or 0.0,
        seconds=math.inf if run.seconds is None else run.seconds,
        svg_bytes=math.inf if run.svg_bytes is None else run.svg_bytes,
    )


def _weigh(measured: Sequence[Measured], outcomes: Outcomes) -> list[Choice]:
    """Return the choices with the figures of the runs they stand for."""
    weighed = []
    own = _own(outcomes)
    value = {cell: utilities(outcomes, cell) for cell in GRID}
    best = {cell: virtual_best(outcomes, cell, own) for cell in GRID}
    column = {name: index for index, name in enumerate(outcomes.candidates)}
    for row, one in enumerate(measured):
        runs = {run.candidate: run for run in one.runs}
        for cell, choice in zip(GRID, one.choices, strict=True):
            run, top = runs[choice.candidate], best[cell][row]
            weighed.append(
                msgspec.structs.replace(
                    choice,
                    quality=run.quality,
                    seconds=run.seconds,
                    svg_bytes=run.svg_bytes,
                    utility=float(value[cell][row, column[choice.candidate]]),
                    best_candidate=outcomes.candidates[top],
                    best_utility=float(value[cell][row, top]),
                )
            )
    return weighed


def _own(outcomes: Outcomes) -> Indices:
    """Return the columns of the methods' candidates, the fixed plans left out."""
    return outcomes.columns(name for name in outcomes.candidates if name not in FIXED)


def _summaries(outcomes: Outcomes) -> list[Summary]:
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
                )
            )
    return found


def _rank(name: str) -> tuple[bool, list[str | int]]:
    """Return what puts names in order: fixed plans first, then the methods, 2x before 10x."""
    return name not in FIXED, [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _summary_of(choices: Sequence[Choice], images: int) -> Summary:
    return Summary(
        name=ROUTER,
        images=images,
        quality=_mean(c.quality for c in choices),
        seconds=_mean(c.seconds for c in choices),
        svg_bytes=_mean(c.svg_bytes for c in choices),
        utility=_mean(c.utility for c in choices),
    )


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan
