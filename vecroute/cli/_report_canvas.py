"""A plot becomes SVG text for the page: its colours follow the page's theme, its ids are its own, no date is in it."""

import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (5.3, 3.9)  # inches; at 72 units an inch a telephone shows about one unit a pixel
# What matplotlib draws with, and the page's variable that takes its place; rasterised points keep the colour itself.
INK, SOFT, LINE, ROUTER_COLOR, FIXED_COLOR = "#1a1b1c", "#5c6471", "#dfe2e7", "#0b7a76", "#7d8591"
METHOD_COLORS = ("#3b7dd8", "#d9822b", "#a45bd0", "#c8507a", "#8a9a2b", "#5f8fa0")
KIND_COLORS = ("#d9534f", "#e8a33d", "#5b8def", "#9b6fd1", "#4fb3a9", "#9aa3ae", "#8d4b3f", "#6b727c")
VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    ROUTER_COLOR: "--after",
    FIXED_COLOR: "--fixed",
    **{color: f"--method-{i}" for i, color in enumerate(METHOD_COLORS)},
    **{color: f"--kind-{i}" for i, color in enumerate(KIND_COLORS)},
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.6,
    "savefig.dpi": 200,
}
_LEFT_OUT = re.compile(r"<(metadata|style)\b.*?</\1>", re.DOTALL)
_ROOT = re.compile(r'<svg [^>]*viewBox="([^"]*)"[^>]*>')
_NAMES = re.compile(r'(\bid="|href="#|url\(#)')


def plot(name: str, paint: Callable[["Axes"], None], alt: str, *, size: tuple[float, float] = SIZE) -> str:
    """Return a plot as an SVG element: `paint` draws on its axes, `alt` says in words what it shows."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    text = io.StringIO()
    style: Any = _STYLE | {"svg.hashsalt": name}  # its type names every setting there is
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own settings say
        mpl.rcParams.update(style)
        figure = Figure(figsize=size, layout="constrained")
        paint(figure.subplots())
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return themed(text.getvalue(), name, alt)


def themed(svg: str, name: str, alt: str) -> str:
    """Return what matplotlib wrote as an element of the page, with its ids made unique and its colours the page's."""
    body = _LEFT_OUT.sub("", svg[svg.index("<svg") :])
    body = _NAMES.sub(rf"\g<1>{name}-", body)
    for color, variable in VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    return _ROOT.sub(
        lambda found: (
            f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(alt)}" '
            'xmlns:xlink="http://www.w3.org/1999/xlink">'
        ),
        body,
        count=1,
    ).strip()
