"""Tables that people read: the result of an evaluation."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from converter._grid import Judgement, Pooled, pool
from router import GRID_BUDGETS, GRID_TARGETS
from vecroute.cli._evaluation import ROUTER, Evaluation
from vecroute.cli._terminal import kilobytes, milliseconds

PIPE_WIDTH = 160  # columns when nobody can say how wide the reader is


def console() -> Console:
    """Return a console on standard output that cuts nothing off when that is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row, style="bold" if row[0] == ROUTER else None)
    return made


def show_evaluation(found: Evaluation) -> None:
    """Show what each candidate gives, the grid, and the pooled figures."""
    out = console()
    out.print(
        table("What each gives", ("always", "images", "quality", "time", "size", "utility"), _summary_rows(found))
    )
    titles = ("target, time", "SBS", "router", "VBS", "gap closed", "met", "VBS met", "in budget", "time", "size")
    out.print(table("Utility in the grid, both SVG budgets together", titles, _grid_rows(found)))
    out.print(table("Pooled", ("compared with", "SBS", "router", "VBS", "gap closed"), _pooled_rows(found)))
    if found.predictor is None:
        out.print("No predictor served: base routing chose.")
    else:
        out.print(
            f"Predicted against measured quality of {found.predictor.count} runs: pearson "
            f"{_ratio(found.predictor.pearson)}, spearman {_ratio(found.predictor.spearman)}, "
            f"mean absolute error {found.predictor.mae:.4f}"
        )


def _summary_rows(found: Evaluation) -> list[tuple[str, ...]]:
    return [
        (
            s.name,
            str(s.images),
            f"{s.quality:.4f}",
            milliseconds(s.seconds),
            kilobytes(s.svg_bytes),
            f"{s.utility:.4f}",
        )
        for s in found.summaries
    ]


def _grid_rows(found: Evaluation) -> list[tuple[str, ...]]:
    judged = [one.judgement for one in found.cells]
    rows = []
    for target in GRID_TARGETS:
        for budget in GRID_BUDGETS:
            own = [j for j in judged if (j.cell.quality_target, j.cell.time_budget) == (target, budget)]
            rows.append((f"{_target(target)}, {_budget(budget)}", *_pooled(pool(own)), *_shares(own)))
    return rows


def _pooled_rows(found: Evaluation) -> list[tuple[str, ...]]:
    rows = [("the methods' candidates", *_pooled(found.pooled))]
    for size, pooled in found.pooled_by_svg_budget.items():
        rows.append((f"  SVG budget {kilobytes(int(size)) if size.isdecimal() else 'none'}", *_pooled(pooled)))
    return [*rows, ("these and the fixed plans", *_pooled(found.pooled_with_fixed))]


def _pooled(pooled: Pooled) -> tuple[str, ...]:
    figures = (f"{pooled.sbs:.4f}", f"{pooled.router:.4f}", f"{pooled.vbs:.4f}")
    return (*figures, _ratio(pooled.gap_closed))


def _shares(own: Sequence[Judgement]) -> tuple[str, ...]:
    met, vbs_met, kept, seconds, size = (
        sum(getattr(j, name) for j in own) / len(own) for name in ("met", "vbs_met", "kept", "seconds", "svg_bytes")
    )
    return (f"{met:.0%}", f"{vbs_met:.0%}", f"{kept:.0%}", milliseconds(seconds), kilobytes(size))


def _target(target: float | None) -> str:
    return "none" if target is None else f"{target:.2f}"


def _budget(budget: float | None) -> str:
    return "none" if budget is None else milliseconds(budget)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
