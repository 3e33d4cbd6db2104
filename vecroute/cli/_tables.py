"""Tables that people read: the result of an evaluation."""

import io
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.table import Table

from converter._grid import Judgement, Pooled, pool
from router import GRID_BUDGETS, GRID_TARGETS
from vecroute.cli._evaluation import ROUTER, Evaluation
from vecroute.cli._terminal import kilobytes, milliseconds, show

PIPE_WIDTH = 160  # columns when nobody can say how wide the reader is


def present(parts: Iterable[Table | str]) -> None:
    """Show tables and lines as one piece of the result; nothing is cut off when that is no terminal.

    Raises:
        BrokenPipeError, CommandError: see `show`; rich itself would end the process, or raise what nobody can name.
    """
    seen, text = Console(), io.StringIO()
    width = seen.width if seen.is_terminal else PIPE_WIDTH
    out = Console(file=text, highlight=False, width=width, force_terminal=seen.is_terminal)
    for part in parts:
        out.print(part)
    show(text.getvalue().removesuffix("\n"))


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
    titles = ("target, time", "SBS", "router", "VBS", "gap closed", "met", "VBS met", "in budget", "time", "size")
    gives = ("always", "images", "quality", "time", "size", "utility", "fidelity 4x")
    present(
        (
            table("What each gives", gives, _summary_rows(found)),
            table("Utility in the grid, both SVG budgets together", titles, _grid_rows(found)),
            table("Pooled", ("compared with", "SBS", "router", "VBS", "gap closed"), _pooled_rows(found)),
            *_fidelity(found),
            _predictor_line(found),
        )
    )


def _fidelity(found: Evaluation) -> Iterator[Table | str]:
    """Yield the table of fidelity within each time budget, and how many images have no part in it."""
    if not found.sources:
        return
    rows: dict[str, list[str]] = {}
    for one in found.fidelity:
        rows.setdefault(one.name, [one.name]).append(f"{one.fidelity_4x:.4f}")
    budgets = dict.fromkeys(_budget(one.time_budget) for one in found.fidelity)
    title = "Fidelity 4x within each time budget: 0 where it is broken"
    yield table(title, ("always", *budgets), rows.values())
    if left := found.images - found.sources:
        yield f"{left} of {found.images} images have no source beside them and no part in fidelity 4x"


def _predictor_line(found: Evaluation) -> str:
    if found.predictor is None:
        return "No predictor served: base routing chose."
    return (
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
            "-" if s.fidelity_4x is None else f"{s.fidelity_4x:.4f}",
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
    return [
        *rows,
        ("these and the fixed plans", *_pooled(found.pooled_with_fixed)),
        ("the best fixed plan, VBS as above", *_pooled(found.headline.over_fixed)),
    ]


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
