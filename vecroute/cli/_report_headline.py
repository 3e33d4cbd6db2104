"""The figures that an evaluation is judged by, each one number made of all images."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from converter._agreement import Agreement, agreement
from converter._fixed import FIXED
from converter._grid import Cell, Indices, Judgement, Outcomes, Pooled, judge, kept_where_possible, over_fixed, pool
from vecroute.cli._measuring import Measured, Run

DEFAULTS, FINEST = "defaults", "fixed_3x"
FREE = Cell()  # no target, no budget
TIGHT = Cell(time_budget=0.1)
TIGHT_SIDE = 512  # pixels of the longer side; larger images need more than the tight budget


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation comes to.

    `over_fixed`: the best fixed plan of each cell as SBS, the methods' VBS. `kept`: share of choices within all budgets
    where any candidate is. Agreements of seconds and bytes are those of their logarithms. `calibration`: the mean real
    error of quality divided by the mean predicted one. `*_within_bound`: share of runs below their 95 % bound.
    `error_ratio`: the router's error (1 - quality) without target and budget as a share of that of VTracer's defaults;
    `tight_error_ratio`: the same at 100 ms on the `tight_images` of at most 512 px.
    """

    over_fixed: Pooled
    kept: float | None
    quality: Agreement | None
    seconds: Agreement | None
    svg_bytes: Agreement | None
    calibration: float | None
    seconds_within_bound: float | None
    bytes_within_bound: float | None
    error_ratio: float | None
    fixed_3x_error_ratio: float | None
    router_seconds: float | None
    fixed_3x_seconds: float | None
    tight_error_ratio: float | None
    tight_images: int


def headline(
    measured: Sequence[Measured], outcomes: Outcomes, chosen: Mapping[Cell, Indices], judged: Sequence[Judgement]
) -> Headline:
    """Return the figures; `chosen` and `judged` hold the router's columns and their judgement, cell by cell."""
    runs = [run for one in measured for run in one.runs]
    everything = np.arange(len(measured))
    small = np.array([i for i, one in enumerate(measured) if 0 < _longest(one) <= TIGHT_SIDE], dtype=np.intp)
    errors = [
        (abs(r.predicted_quality - r.quality), r.predicted_quality_error)
        for r in runs
        if r.quality is not None and r.predicted_quality is not None and r.predicted_quality_error
    ]
    return Headline(
        over_fixed=_over_fixed(outcomes, chosen, pool(judged)),
        kept=kept_where_possible(judged),
        quality=_agreement(runs, "quality", float),
        seconds=_agreement(runs, "seconds", np.log),
        svg_bytes=_agreement(runs, "svg_bytes", np.log),
        calibration=sum(real for real, _ in errors) / sum(said for _, said in errors) if errors else None,
        seconds_within_bound=_within(runs, "seconds"),
        bytes_within_bound=_within(runs, "svg_bytes"),
        error_ratio=_error_ratio(outcomes, chosen[FREE], everything),
        fixed_3x_error_ratio=_error_ratio(outcomes, _always(outcomes, FINEST), everything),
        router_seconds=_mean_seconds(outcomes, chosen[FREE]),
        fixed_3x_seconds=_mean_seconds(outcomes, _always(outcomes, FINEST)),
        tight_error_ratio=_error_ratio(outcomes, chosen[TIGHT], small),
        tight_images=len(small),
    )


def pairs(runs: Sequence[Run], name: str) -> list[tuple[float, float]]:
    """Return the predicted and the measured values of a figure, of the runs that have both, both above 0."""
    both = ((getattr(run, f"predicted_{name}"), getattr(run, name)) for run in runs)
    return [(float(said), float(real)) for said, real in both if said is not None and real and said > 0]


def _agreement(runs: Sequence[Run], name: str, scale: Callable[[float], float]) -> Agreement | None:
    found = pairs(runs, name)
    return agreement([float(scale(said)) for said, _ in found], [float(scale(real)) for _, real in found])


def _within(runs: Sequence[Run], name: str) -> float | None:
    high = ((getattr(run, f"predicted_{name}_high"), getattr(run, name)) for run in runs)
    kept = [real <= said for said, real in high if said is not None and real is not None]
    return sum(kept) / len(kept) if kept else None


def _over_fixed(outcomes: Outcomes, chosen: Mapping[Cell, Indices], methods: Pooled) -> Pooled:
    plans = outcomes.columns(name for name in FIXED if name != DEFAULTS)
    return over_fixed(methods, pool(judge(outcomes, cell, columns, plans) for cell, columns in chosen.items()))


def _always(outcomes: Outcomes, name: str) -> Indices:
    return np.full(len(outcomes.images), outcomes.candidates.index(name), dtype=np.intp)


def _error_ratio(outcomes: Outcomes, columns: Indices, images: Indices) -> float | None:
    """Return the error of one column an image as a share of the defaults', where these ran at all."""
    plain = outcomes.candidates.index(DEFAULTS)
    ran = images[np.isfinite(outcomes.seconds[images, plain])]
    if not ran.size:
        return None
    error = (1 - outcomes.quality[ran, plain]).mean()
    return float((1 - outcomes.quality[ran, columns[ran]]).mean() / error) if error > 0 else None


def _mean_seconds(outcomes: Outcomes, columns: Indices) -> float | None:
    seconds = outcomes.seconds[np.arange(len(columns)), columns]
    finite = seconds[np.isfinite(seconds)]
    return float(finite.mean()) if finite.size else None


def _longest(one: Measured) -> int:
    return max((max(run.width or 0, run.height or 0) for run in one.runs), default=0)
