"""The report: one page that holds everything, needs no script and reads in light and dark."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from converter._fixed import FIXED
from vecroute.cli._demo_page import STYLE as BASE_STYLE
from vecroute.cli._evaluation import Evaluation
from vecroute.cli._report_canvas import VARIABLES
from vecroute.cli._report_cards import card
from vecroute.cli._report_families import families
from vecroute.cli._report_front import best_points, router_points
from vecroute.cli._report_plots import (
    bounds_plot,
    calibration_plot,
    color_of,
    families_plot,
    front_plot,
    kind_colors,
    quality_plot,
)
from vecroute.cli._report_reasons import KINDS
from vecroute.cli._report_tables import fidelity_table, heat_tables, loss_table, summary_table
from vecroute.cli._report_tiles import tiles
from vecroute.cli._report_worst import Decision, Worst

STYLE = Path(__file__).with_name("report.css")


def page(found: Evaluation, worst: Worst, policy: str) -> str:
    """Return the whole page."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>vecroute: an evaluation of {found.images} images</title>
<style>
{BASE_STYLE.read_text(encoding="utf-8")}{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body class="report">
{_header(found, policy)}
<main>
{_worth(found)}
{_candidates(found)}
{_fidelity(found)}
{_predictor(found)}
{_regret(found)}
{_decisions("The worst decisions", _WORST, worst.decisions)}
{_decisions("Worst within budget", _WITHIN, worst.within_budget)}
{_failures(found)}
</main>
</body>
</html>
"""


_WORST = """The decisions that lost most utility against the best candidate, one an image. Pictures are enlarged without
smoothing; below each the region, marked in the image, where the chosen drawing is off most."""
_WITHIN = (
    "An overrun budget costs all utility, so overruns stand first above. These kept their budgets and lost quality."
)


def _header(found: Evaluation, policy: str) -> str:
    count = len(families(found.choices, found.rows))
    served = ", ".join(found.exports) or "no export: base routing"
    lanes = ", ".join(found.lanes)
    return f"""<header>
<h1>vecroute, evaluated</h1>
<p>{found.images} images of {count} {"family" if count == 1 else "families"}; every candidate ran on each, and the
router chose for {len(found.cells)} combinations of quality target, time budget and size budget. Policy
{escape(policy)}, predictions by {escape(served)} (lane {escape(lanes)}).</p>
<dl class="tiles">{tiles(found)}</dl>
</header>"""


def _worth(found: Evaluation) -> str:
    return f"""<section>
<h2>Gap closed</h2>
<p class="lead">How far the router went from the single best candidate of a cell (SBS, 0 %) to the best candidate of
each image (VBS, 100 %). Small print: utility of SBS, router and VBS. A dash: all candidates tie.</p>
{heat_tables(found)}
</section>"""


def _candidates(found: Evaluation) -> str:
    methods = _methods(found)
    plot = front_plot(
        found.summaries[:-1], router_points(found.choices), best_points(found.choices, found.rows), methods
    )
    keys = [
        *((method, f'<i class="dot" style="color:{_variable(color_of(method, methods))}"></i>') for method in methods),
        ("fixed plans, and plain defaults (cross)", '<i class="dot fixed"></i>'),
        ("the router at each time budget", '<i class="star">&#9733;</i>'),
        ("best candidate of each image", '<i class="dash"></i>'),
    ]
    return f"""<section>
<h2>Quality and time</h2>
<p class="lead">Means over all images: each method's plans, the fixed plans, and what the router chooses without a
target. Further up and to the left is better.</p>
<div class="pair"><div class="plot card">{plot}{_legend(keys)}</div>
<div class="card">{summary_table(found)}</div></div>
</section>"""


def _fidelity(found: Evaluation) -> str:
    if not found.sources:
        return ""
    left = found.images - found.sources
    note = f" {left} images without a source are left out." if left else ""
    return f"""<section>
<h2>Fidelity to the true source</h2>
<p class="lead">SSIM at 4x scale against the drawing that {found.sources} of the images were made of: the mean, where
a run over the time budget counts 0, and the share that keeps it.{note}</p>
<div class="card">{fidelity_table(found)}</div>
</section>"""


def _predictor(found: Evaluation) -> str:
    methods = _methods(found)
    scored = [run for run in found.rows if run.predicted_quality is not None]
    if not scored:
        return ""
    plots = [
        f'<figure class="plot card"><figcaption>{escape(method)}</figcaption>{drawn}</figure>'
        for method in methods
        if (own := [run for run in scored if run.method == method])
        for drawn in [quality_plot(method, own, color_of(method, methods))]
    ]
    return f"""<section>
<h2>Predicted and measured quality</h2>
<p class="lead">A point a run; both axes are stretched towards 1, where the differences matter. On the line the
prediction is right, below it too high.</p>
<div class="plots">{"".join(plots)}</div>
<h2 class="next">Does the predictor know how sure it is?</h2>
<p class="lead">Error of quality: on the line the predicted error is the real one, above it the predictor is too sure.
Bounds: of 100 runs 95 should stay below.</p>
<div class="plots">
<figure class="plot card"><figcaption>Error of quality</figcaption>{calibration_plot(scored)}</figure>
<figure class="plot card"><figcaption>95 % bounds of time and size</figcaption>{bounds_plot(scored)}</figure>
</div>
</section>"""


def _regret(found: Evaluation) -> str:
    colors = kind_colors()
    seen = {choice.loss for choice in found.choices}
    keys = [
        (text, f'<i class="dot" style="color:{_variable(colors[kind])}"></i>')
        for kind, text in KINDS.items()
        if kind in seen
    ]
    return f"""<section>
<h2>Regret by family</h2>
<p class="lead">Utility lost against the best candidate of each image, averaged over images and cells. A family is the
directory in which an image lies.</p>
<div class="pair"><div class="plot card">{families_plot(families(found.choices, found.rows))}{_legend(keys)}</div>
<div class="card">{loss_table(found)}</div></div>
</section>"""


def _decisions(title: str, lead: str, decisions: Sequence[Decision]) -> str:
    if not decisions:
        return ""
    cards = "".join(card(number, one) for number, one in enumerate(decisions, 1))
    return f"""<section>
<h2>{title}</h2>
<p class="lead">{lead}</p>
<div class="cards">{cards}</div>
</section>"""


def _failures(found: Evaluation) -> str:
    if not found.failures:
        return ""
    rows = "".join(f"<li><b>{escape(one.image)}</b> {escape(one.message)}</li>" for one in found.failures)
    return f'<section><h2>Images left out</h2><ul class="card failures">{rows}</ul></section>'


def _legend(keys: Iterable[tuple[str, str]]) -> str:
    return (
        '<p class="keys">' + "".join(f'<span class="key">{mark}{escape(name)}</span>' for name, mark in keys) + "</p>"
    )


def _methods(found: Evaluation) -> list[str]:
    """Return the methods that the data know, in the order in which they came."""
    return list(dict.fromkeys(run.method for run in found.rows if run.candidate not in FIXED))


def _variable(color: str) -> str:
    return f"var({VARIABLES[color]})"
