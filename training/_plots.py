"""Predicted beside measured, on labels that no model was trained on: two plots and a few lines to read first."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models import Export
from router import Candidate
from training._evaluate import SPLITS, matched, predictor_errors, sample_of_label
from training._run import Label, Run

Pairs = Sequence[tuple[Candidate, Run]]
# Most qualities lie between 0.9 and 1, so their distance from 1 is drawn; the perfect ones lie at the edge.
LEAST_ERROR = 1e-3
COLOURS = {"families": "#c2410c", "images": "#1d4ed8"}


def plot(export: Export, labels: Mapping[str, Sequence[Label]], out: Path) -> list[str]:
    """Write the plots of an export on held-out labels as a PNG, and return one line a split with its figures."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    error, seconds = figure.subplots(1, 2)
    lines = []
    for split, held_out in labels.items():
        predictions = [export.predict(sample_of_label(label)) for label in held_out]
        pairs = matched(held_out, predictions)
        lines.append(f"{SPLITS[split]}, {len(held_out)} images: {_words(predictor_errors(held_out, predictions))}")
        _scatter(error, split, [(_error(c.quality), _error(run.quality)) for c, run in pairs])
        _scatter(seconds, split, [(c.seconds, run.seconds) for c, run in pairs])
    _finish(error, "error (1 - quality)")
    _finish(seconds, "seconds")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    return lines


def _words(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _scatter(axes: Axes, split: str, points: Sequence[tuple[float, float]]) -> None:
    if points:
        said, measured = zip(*points, strict=True)
        axes.scatter(measured, said, s=6, alpha=0.4, color=COLOURS[split], label=SPLITS[split], linewidths=0)


def _error(quality: float) -> float:
    return max(1.0 - quality, LEAST_ERROR)


def _finish(axes: Axes, what: str) -> None:
    """Give both axes one range, so that a perfect prediction lies on the diagonal."""
    axes.set(xscale="log", yscale="log", xlabel=f"measured {what}", ylabel=f"predicted {what}")
    if axes.collections:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        both = min(left, low), max(right, high)
        axes.set(xlim=both, ylim=both)
        axes.plot(both, both, color="#64748b", linewidth=1, zorder=0)
        axes.legend(loc="upper left", fontsize="small", markerscale=3)
