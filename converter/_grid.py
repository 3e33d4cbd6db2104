"""Which candidate is best where: utilities of measured runs, the single and the virtual best, and the gap closed.

Plain arithmetic over rows, the same for the evaluation and for training labels (design: evaluation).
"""

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from router import GRID_BUDGETS, GRID_TARGETS

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

GRID_SIZES: tuple[int | None, ...] = (10_000, None)  # bytes of SVG
NOT_CHOSEN = -1
# Below it the single best is as good as the virtual best and the ratio would only show rounding.
LEAST_GAP = 1e-9


class Cell(msgspec.Struct, frozen=True):
    """One cell of the grid: a quality target, a time budget in seconds and an SVG budget in bytes; None is none."""

    quality_target: float | None = None
    time_budget: float | None = None
    svg_budget: int | None = None


GRID: tuple[Cell, ...] = tuple(Cell(t, b, z) for t in GRID_TARGETS for b in GRID_BUDGETS for z in GRID_SIZES)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One measured run: a candidate, which is a method at a step of its ladder, on an image.

    A run that failed has quality 0 and infinite seconds and bytes.
    """

    image: str
    candidate: str
    quality: float
    seconds: float
    svg_bytes: float
    method: str = ""
    step: int = 0


class Outcomes(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Measured runs as arrays [image, candidate]; NaN where a candidate was not run on an image."""

    images: tuple[str, ...]
    candidates: tuple[str, ...]
    quality: Floats
    seconds: Floats
    svg_bytes: Floats

    def chosen(self, names: Sequence[str | None]) -> Indices:
        """Return the column of each image's candidate; None, or one that was not run, becomes `NOT_CHOSEN`."""
        column = {name: index for index, name in enumerate(self.candidates)}
        return np.array([NOT_CHOSEN if name is None else column.get(name, NOT_CHOSEN) for name in names], dtype=np.intp)

    def columns(self, names: Iterable[str]) -> Indices:
        """Return the columns of the candidates named, in their order here."""
        wanted = set(names)
        return np.array([i for i, name in enumerate(self.candidates) if name in wanted], dtype=np.intp)

    def only(self, images: Sequence[int] | Indices) -> "Outcomes":
        """Return the outcomes of some images, by index: a family, say."""
        rows = np.asarray(images, dtype=np.intp)
        return Outcomes(
            images=tuple(self.images[i] for i in rows),
            candidates=self.candidates,
            quality=self.quality[rows],
            seconds=self.seconds[rows],
            svg_bytes=self.svg_bytes[rows],
        )


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """How the router did in one cell, as means over the images.

    `router`, `sbs` and `vbs` are utilities, `single_best` is the candidate that `sbs` stands for; `met` and `kept` are
    the shares of images whose choice met the target and kept the budgets, `vbs_met` and `vbs_kept` what the best choice
    could have.
    """

    cell: Cell
    images: int
    router: float
    sbs: float
    vbs: float
    single_best: str
    met: float
    vbs_met: float
    kept: float
    vbs_kept: float
    seconds: float
    svg_bytes: float

    @property
    def gap_closed(self) -> float | None:
        """1 where the router is as good as the virtual best, 0 as good as the single best; None where those tie."""
        return gap_closed(self.router, self.sbs, self.vbs)


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """Utilities averaged over cells, and the one ratio made of the averages."""

    router: float
    sbs: float
    vbs: float
    gap_closed: float | None


def collect(rows: Iterable[Row]) -> Outcomes:
    """Arrange rows as arrays, images and candidates in the order in which they first appear.

    Ladders are shorter on large images. A step that an image lacks stands for the finest one below it that the image
    has, else for the coarsest: that is what always taking that step means.
    """
    runs: dict[str, dict[str, Row]] = {}
    ladders: dict[str, tuple[str, int]] = {}
    for row in rows:
        runs.setdefault(row.image, {})[row.candidate] = row
        ladders.setdefault(row.candidate, (row.method, row.step))
    shape = (len(runs), len(ladders))
    quality, seconds, svg_bytes = (np.full(shape, np.nan) for _ in range(3))
    for i, own in enumerate(runs.values()):
        for j, (candidate, (method, step)) in enumerate(ladders.items()):
            run = own.get(candidate) or _stand_in(own.values(), method, step)
            if run is not None:
                quality[i, j], seconds[i, j], svg_bytes[i, j] = run.quality, run.seconds, run.svg_bytes
    return Outcomes(
        images=tuple(runs), candidates=tuple(ladders), quality=quality, seconds=seconds, svg_bytes=svg_bytes
    )


def utilities(outcomes: Outcomes, cell: Cell) -> Floats:
    """Return the utility of every run: 0 over budget or not run, else the share of the target reached, at most 1."""
    reached = np.minimum(np.nan_to_num(outcomes.quality) / (cell.quality_target or 1.0), 1.0)
    return np.where(_kept(outcomes, cell), reached, 0.0)


def virtual_best(outcomes: Outcomes, cell: Cell, portfolio: Indices | None = None) -> Indices:
    """Return each image's best candidate, as a column; ties go to less time, then to fewer bytes."""
    columns = _portfolio(outcomes, portfolio)
    value = utilities(outcomes, cell)[:, columns]
    seconds, svg_bytes = (_or_inf(a[:, columns]) for a in (outcomes.seconds, outcomes.svg_bytes))
    return columns[np.lexsort((svg_bytes, seconds, -value), axis=-1)[:, 0]]


def single_best(outcomes: Outcomes, cell: Cell, portfolio: Indices | None = None) -> int:
    """Return the candidate, as a column, that is best on average; ties as in `virtual_best`."""
    columns = _portfolio(outcomes, portfolio)
    # Rounded: sums of the same numbers in another order must tie.
    value = utilities(outcomes, cell)[:, columns].mean(axis=0).round(12)
    seconds, svg_bytes = (_or_inf(a[:, columns]).mean(axis=0) for a in (outcomes.seconds, outcomes.svg_bytes))
    return int(columns[np.lexsort((svg_bytes, seconds, -value))[0]])


def regrets(outcomes: Outcomes, cell: Cell, chosen: Indices, portfolio: Indices | None = None) -> Floats:
    """Return how much utility each image's choice lost against its best candidate; below 0 if the choice beat it."""
    value = utilities(outcomes, cell)
    return _at(value, virtual_best(outcomes, cell, portfolio)) - _at(value, chosen)


def judge(outcomes: Outcomes, cell: Cell, chosen: Indices, portfolio: Indices | None = None) -> Judgement:
    """Compare the choice made for each image with the single and the virtual best of the portfolio (default: all)."""
    value = utilities(outcomes, cell)
    best, single = virtual_best(outcomes, cell, portfolio), single_best(outcomes, cell, portfolio)
    kept = _kept(outcomes, cell)
    met = kept & (outcomes.quality >= (cell.quality_target or 0.0))
    return Judgement(
        cell=cell,
        images=len(outcomes.images),
        router=float(_at(value, chosen).mean()),
        sbs=float(value[:, single].mean()),
        vbs=float(_at(value, best).mean()),
        single_best=outcomes.candidates[single],
        met=float(_at(met.astype(float), chosen).mean()),
        vbs_met=float(_at(met.astype(float), best).mean()),
        kept=float(_at(kept.astype(float), chosen).mean()),
        vbs_kept=float(_at(kept.astype(float), best).mean()),
        seconds=_finite_mean(_at(outcomes.seconds, chosen)),
        svg_bytes=_finite_mean(_at(outcomes.svg_bytes, chosen)),
    )


def pool(judgements: Iterable[Judgement]) -> Pooled:
    """Average first, divide then: cells where all candidates tie would only add noise to a mean of ratios."""
    utility = np.array([(j.router, j.sbs, j.vbs) for j in judgements])
    router, sbs, vbs = (float(mean) for mean in utility.mean(axis=0))
    return Pooled(router=router, sbs=sbs, vbs=vbs, gap_closed=gap_closed(router, sbs, vbs))


def kept_where_possible(judgements: Iterable[Judgement]) -> float | None:
    """Return the share of choices within all budgets, of those where any candidate is; None where none could be."""
    bounded = [j for j in judgements if j.cell.time_budget is not None or j.cell.svg_budget is not None]
    possible = sum(j.vbs_kept * j.images for j in bounded)
    return sum(j.kept * j.images for j in bounded) / possible if possible else None


def over_fixed(methods: Pooled, fixed: Pooled) -> Pooled:
    """Return the router beside the best fixed plan of each cell; the virtual best stays that of the methods."""
    closed = gap_closed(fixed.router, fixed.sbs, methods.vbs)
    return Pooled(router=fixed.router, sbs=fixed.sbs, vbs=methods.vbs, gap_closed=closed)


def gap_closed(router: float, sbs: float, vbs: float) -> float | None:
    """Return the share of the way from the single to the virtual best that the router went; None where those tie."""
    return (router - sbs) / (vbs - sbs) if vbs - sbs > LEAST_GAP else None


def _stand_in(own: Iterable[Row], method: str, step: int) -> Row | None:
    ladder = sorted((row for row in own if method and row.method == method), key=lambda row: row.step)
    below = [row for row in ladder if row.step <= step]
    return below[-1] if below else ladder[0] if ladder else None


def _kept(outcomes: Outcomes, cell: Cell) -> NDArray[np.bool_]:
    # Whatever is compared with NaN is false: a candidate that was not run keeps nothing.
    in_time = outcomes.seconds <= (math.inf if cell.time_budget is None else cell.time_budget)
    return np.asarray(in_time & (outcomes.svg_bytes <= (math.inf if cell.svg_budget is None else cell.svg_budget)))


def _portfolio(outcomes: Outcomes, portfolio: Indices | None) -> Indices:
    return np.arange(len(outcomes.candidates)) if portfolio is None else np.asarray(portfolio)


def _at(values: Floats, chosen: Indices) -> Floats:
    """Return each image's value in its chosen column; 0 where nothing was chosen."""
    return np.where(chosen == NOT_CHOSEN, 0.0, values[np.arange(len(values)), chosen])


def _or_inf(values: Floats) -> Floats:
    return np.where(np.isnan(values), np.inf, values)


def _finite_mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else math.nan
