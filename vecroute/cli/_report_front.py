"""Where the router and the virtual best lie between time and quality, for each time budget."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from router import GRID_BUDGETS
from vecroute.cli._measuring import Choice, Run
from vecroute.cli._terminal import milliseconds


class Point(NamedTuple):
    """A mean over images: seconds and quality; `label` tells the time budget."""

    label: str
    seconds: float
    quality: float


def router_points(choices: Sequence[Choice]) -> list[Point]:
    """Return what the router's choices gave without target and SVG budget, a point for each time budget."""
    return _points({budget: [(c.seconds, c.quality) for c in own] for budget, own in _by_budget(choices).items()})


def best_points(choices: Sequence[Choice], rows: Sequence[Run]) -> list[Point]:
    """Return the same of the best candidates of each image."""
    runs = {(run.image, run.candidate): run for run in rows}
    best = {
        budget: [runs[choice.image, choice.best_candidate] for choice in own]
        for budget, own in _by_budget(choices).items()
    }
    return _points({budget: [(run.seconds, run.quality) for run in own] for budget, own in best.items()})


def _by_budget(choices: Sequence[Choice]) -> dict[float | None, list[Choice]]:
    free = [choice for choice in choices if choice.quality_target is None and choice.svg_budget is None]
    return {budget: [choice for choice in free if choice.time_budget == budget] for budget in GRID_BUDGETS}


def _points(figures: Mapping[float | None, Sequence[tuple[float | None, float | None]]]) -> list[Point]:
    """Return a point for each budget; runs that failed have no figures."""
    found = []
    for budget, pairs in figures.items():
        known = [(seconds, quality) for seconds, quality in pairs if seconds is not None and quality is not None]
        if known:
            label = "no budget" if budget is None else milliseconds(budget)
            found.append(Point(label, fmean(s for s, _ in known), fmean(q for _, q in known)))
    return found
