"""The report's plots, each a pure function of an evaluation's numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vecroute.cli._evaluation import Summary
from vecroute.cli._measuring import Run
from vecroute.cli._report_canvas import FIXED_COLOR, INK, KIND_COLORS, METHOD_COLORS, ROUTER_COLOR, SOFT, plot
from vecroute.cli._report_families import Family
from vecroute.cli._report_front import Point
from vecroute.cli._report_reasons import KINDS
from vecroute.cli._terminal import milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 3000  # more become a picture: as shapes they would make the page slow
LEAST_ERROR = 1e-3  # of quality; smaller ones stand at the edge
BINS = 8
LEAST_BIN = 1e-4  # of a bin's mean error; the axes are logarithmic
BOUND = 0.95
SAME_PLACE = 0.25  # of the logarithm of seconds; labels of points so near would lie on one another
_ERROR_TICKS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_FINE_TICKS = tuple(n / 100 for n in (70, 50, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2.5, 2, 1.5, 1))
_CALIBRATION_TICKS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
_TIME_TICKS = tuple(base * 10.0**power for power in range(-4, 3) for base in (1, 3))


def color_of(method: str, methods: Sequence[str]) -> str:
    """Return the colour that a method has in all plots; fixed plans are grey."""
    return METHOD_COLORS[methods.index(method) % len(METHOD_COLORS)] if method in methods else FIXED_COLOR


def quality_plot(method: str, runs: Sequence[Run], color: str) -> str:
    """Return the predicted against the measured quality of a method's runs, both on the scale of the error's log."""
    both = np.array(
        [(r.predicted_quality, r.quality) for r in runs if r.predicted_quality is not None and r.quality is not None]
    ).reshape(-1, 2)
    error = np.maximum(1 - both, LEAST_ERROR)

    def paint(axes: "Axes") -> None:
        low, high = _limits(error)
        axes.plot([low, high], [low, high], color=SOFT, linewidth=1)
        axes.scatter(
            error[:, 0], error[:, 1], s=13, color=color, alpha=0.55, linewidths=0, rasterized=len(error) > MOST_POINTS
        )
        for axis in "xy":
            _quality_axis(axes, axis, low, high)
        axes.set_xlabel("predicted quality")
        axes.set_ylabel("measured quality")

    name = "quality-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in method)
    return plot(name, paint, f"{method}: measured against predicted quality of {len(error)} runs", size=(4.2, 3.8))


def calibration_plot(runs: Sequence[Run]) -> str:
    """Return the real against the predicted error of quality, in bins of equal size."""
    errors = np.array(
        [
            (r.predicted_quality_error, abs(r.predicted_quality - r.quality))
            for r in runs
            if r.predicted_quality_error and r.predicted_quality is not None and r.quality is not None
        ]
    ).reshape(-1, 2)
    bins = np.array([np.maximum(part.mean(axis=0), LEAST_BIN) for part in _bins(errors)]).reshape(-1, 2)

    def paint(axes: "Axes") -> None:
        if not bins.size:
            return
        low, high = bins.min() / 1.5, bins.max() * 1.5
        axes.plot([low, high], [low, high], color=SOFT, linewidth=1)
        axes.plot(bins[:, 0], bins[:, 1], color=ROUTER_COLOR, marker="o", markersize=5)
        for axis, label in (("x", "predicted error of quality"), ("y", "real error of quality")):
            _log_axis(axes, axis, low, high, {tick: f"{tick:g}" for tick in _CALIBRATION_TICKS})
            axes.set(**{f"{axis}label": label})

    return plot("calibration", paint, "mean real error against mean predicted error, in bins of predicted error")


def bounds_plot(runs: Sequence[Run]) -> str:
    """Return how many runs stay below the 95 % bounds of seconds and bytes, from small predictions to large ones."""

    def paint(axes: "Axes") -> None:
        axes.axhline(BOUND, color=SOFT, linewidth=1)
        lowest = BOUND
        for name, label, color, marker in (
            ("seconds", "time", METHOD_COLORS[0], "o"),
            ("svg_bytes", "size", METHOD_COLORS[1], "s"),
        ):
            high = [(getattr(r, f"predicted_{name}_high"), getattr(r, name)) for r in runs]
            known = np.array([(said, real) for said, real in high if said is not None and real is not None])
            shares = [float((part[:, 1] <= part[:, 0]).mean()) for part in _bins(known.reshape(-1, 2))]
            axes.plot(range(1, len(shares) + 1), shares, color=color, marker=marker, markersize=5, label=label)
            lowest = min([lowest, *shares])
        axes.set_ylim(max(0.0, lowest - 0.05), 1.01)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xticks([])
        axes.set_xlabel("small predictions  →  large ones")
        axes.set_ylabel("runs below their bound")
        axes.legend(frameon=False, loc="lower right")

    return plot("bounds", paint, "share of runs below the predicted 95 % bounds of time and of size")


def front_plot(summaries: Sequence[Summary], router: Sequence[Point], best: Sequence[Point], methods: list[str]) -> str:
    """Return mean quality against mean seconds: a line for each method's plans, for the fixed ones, router and VBS."""
    lines: dict[str, list[Point]] = {}
    for one in summaries:
        method = one.name.partition("@")[0] if "@" in one.name else "" if one.name == "defaults" else "fixed"
        lines.setdefault(method, []).append(Point("", one.seconds, one.quality))
    points = [point for line in (*lines.values(), router, best) for point in line]

    def paint(axes: "Axes") -> None:
        for method, line in lines.items():
            _line(axes, line, color_of(method, methods), marker="o" if method in methods else "D" if method else "X")
        _line(axes, best, INK, marker="", linestyle=(0, (4, 3)))
        _line(axes, router, ROUTER_COLOR, marker="*", size=12)
        for point in _merged(router):
            axes.annotate(
                point.label, (point.seconds, _error(point.quality)), xytext=(6, -13), textcoords="offset points",
                ha="left", color=ROUTER_COLOR, fontsize=9, fontweight="bold",
            )  # fmt: skip
        low, high = min(p.seconds for p in points) / 1.4, max(p.seconds for p in points) * 2.4
        _log_axis(axes, "x", low, high, {tick: milliseconds(tick) for tick in _TIME_TICKS})
        errors = np.array([_error(p.quality) for p in points])
        _quality_axis(axes, "y", errors.min() / 1.35, errors.max() * 1.15)
        axes.set_xlabel("mean time")
        axes.set_ylabel("mean quality")

    return plot("front", paint, "mean quality against mean time of methods, fixed plans and router", size=(5.6, 4.6))


def families_plot(families: Sequence[Family]) -> str:
    """Return the mean regret of each family as a bar, parted by why utility was lost."""

    def paint(axes: "Axes") -> None:
        names = [f"{one.name} ({one.images})" for one in families]
        start = np.zeros(len(families))
        for kind, color in zip(KINDS, KIND_COLORS, strict=True):
            part = np.array([one.lost.get(kind, 0.0) for one in families])
            if part.any():
                axes.barh(names, part, left=start, height=0.66, color=color)
            start += part
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("mean regret: utility lost against the best candidate")

    return plot("families", paint, "mean regret of each family", size=(5.6, 0.9 + 0.27 * len(families)))


def kind_colors() -> Mapping[str, str]:
    """Return the colour of each kind of loss."""
    return dict(zip(KINDS, KIND_COLORS, strict=True))


def _line(
    axes: "Axes", line: Sequence[Point], color: str, *, marker: str, size: float = 5.5,
    linestyle: str | tuple[float, tuple[float, float]] = "-",
) -> None:  # fmt: skip
    ordered = sorted(line, key=lambda point: point.seconds)
    axes.plot(
        [p.seconds for p in ordered], [_error(p.quality) for p in ordered],
        color=color, marker=marker, markersize=size, linestyle=linestyle,
    )  # fmt: skip


def _merged(points: Sequence[Point]) -> list[Point]:
    """Return the points with one label where several lie in the same place: a budget that binds no choice, say."""
    found: list[Point] = []
    for point in points:
        near = found[-1] if found else None
        if near is not None and abs(math.log(point.seconds / near.seconds)) < SAME_PLACE:
            found[-1] = point._replace(label=f"{near.label}, {point.label}")
        else:
            found.append(point)
    return found


def _error(quality: float) -> float:
    return max(1 - quality, LEAST_ERROR)


def _limits(errors: "np.typing.NDArray[np.float64]") -> tuple[float, float]:
    if not errors.size:
        return LEAST_ERROR, 1.0
    return float(errors.min()) / 1.2, min(1.0, float(errors.max())) * 1.2


def _quality_axis(axes: "Axes", axis: str, low: float, high: float) -> None:
    """Make an axis of errors one of qualities: better to the right and up, finer the nearer to 1."""
    ticks = _ERROR_TICKS if high / low > 8 else _FINE_TICKS
    _log_axis(axes, axis, low, high, {tick: f"{round(1 - tick, 4):g}" for tick in ticks})
    axes.set(**{f"{axis}lim": (high, low)})


def _log_axis(axes: "Axes", axis: str, low: float, high: float, ticks: Mapping[float, str]) -> None:
    axes.set(**{f"{axis}scale": "log"})
    seen = {tick: label for tick, label in ticks.items() if low <= tick <= high}
    axes.set(**{f"{axis}ticks": list(seen), f"{axis}ticklabels": list(seen.values()), f"{axis}lim": (low, high)})
    getattr(axes, f"{axis}axis").set_minor_locator(_no_ticks())


def _no_ticks() -> object:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _bins(pairs: "np.typing.NDArray[np.float64]") -> list["np.typing.NDArray[np.float64]"]:
    """Return pairs in bins of equal size, in the order of their first value; fewer bins where there are few pairs."""
    if not len(pairs):
        return []
    ordered = pairs[np.argsort(pairs[:, 0], kind="stable")]
    return np.array_split(ordered, max(1, min(BINS, math.ceil(len(pairs) / 5))))
