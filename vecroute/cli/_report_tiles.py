"""The headline figures, each a tile: what it is, its value, and how to read it."""

from converter._agreement import Agreement
from converter._grid import Pooled
from vecroute.cli._evaluation import Evaluation
from vecroute.cli._report_headline import Headline
from vecroute.cli._terminal import milliseconds


def tiles(found: Evaluation) -> str:
    """Return the tiles as the inside of a definition list."""
    head, pooled, fixed = found.headline, found.pooled, found.headline.over_fixed
    shown = [
        _tile("Gap closed", percent(pooled.gap_closed), _utilities(pooled)),
        _tile("Gap closed over fixed plans", percent(fixed.gap_closed), _utilities(fixed)),
        _tile("Budgets kept", percent(head.kept, 1), "of the choices, where any candidate keeps them"),
        _tile(
            "Error left",
            percent(head.error_ratio, 1),
            f"of VTracer defaults', no budget; fixed 3x: {percent(head.fixed_3x_error_ratio, 1)}",
        ),
        _tile("Time, no budget", _time(head.router_seconds), f"mean; fixed 3x: {_time(head.fixed_3x_seconds)}"),
        _tile(
            "Error left at 100 ms",
            percent(head.tight_error_ratio, 1),
            f"of the defaults', on {head.tight_images} images of at most 512 px",
        ),
    ]
    return "".join([*shown, *_predictor(head)])


def percent(value: float | None, digits: int = 0) -> str:
    """Return a share as HTML for people; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}%}".replace("-", "&minus;")


def _predictor(head: Headline) -> list[str]:
    if head.quality is None:
        return []
    return [
        _tile(
            "Predicted quality",
            _number(head.quality.pearson),
            f"pearson; spearman {_number(head.quality.spearman)}, mean error {head.quality.mae:.4f}",
        ),
        _tile("Real error to predicted", _number(head.calibration, 2), "1 is calibrated, more is too sure"),
        _tile("Below the time bound", percent(head.seconds_within_bound, 1), _bound_note("time", head.seconds)),
        _tile("Below the size bound", percent(head.bytes_within_bound, 1), _bound_note("size", head.svg_bytes)),
    ]


def _tile(name: str, value: str, note: str) -> str:
    return f'<div><dt>{name}</dt><dd>{value}</dd><dd class="note">{note}</dd></div>'


def _utilities(pooled: Pooled) -> str:
    return f"utility {pooled.sbs:.4f} &rarr; {pooled.router:.4f} of {pooled.vbs:.4f}"


def _bound_note(name: str, found: Agreement | None) -> str:
    return f"should be 95 %; log {name}: pearson {_number(None if found is None else found.pearson)}"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else milliseconds(seconds)
