"""The report's tables, as HTML: numbers that people compare."""

from collections.abc import Iterable, Sequence
from html import escape

from converter._grid import GRID_SIZES, Cell
from router import GRID_BUDGETS, GRID_TARGETS
from vecroute.cli._evaluation import ROUTER, CellResult, Evaluation, Fidelity
from vecroute.cli._report_canvas import VARIABLES
from vecroute.cli._report_plots import kind_colors
from vecroute.cli._report_reasons import KINDS
from vecroute.cli._report_tiles import percent
from vecroute.cli._terminal import kilobytes, milliseconds

LOWEST_GAP = -9.99


def heat_tables(found: Evaluation) -> str:
    """Return a table for each SVG budget: targets down, time budgets across, coloured by the gap closed."""
    cells = {one.judgement.cell: one for one in found.cells}
    tables = []
    for size in reversed(GRID_SIZES):
        head = "".join(f'<th scope="col">{_limit(budget)}</th>' for budget in GRID_BUDGETS)
        rows = "".join(
            f'<tr><th scope="row">{"no target" if target is None else f"{target:.2f}"}</th>'
            + "".join(_heat(cells[Cell(target, budget, size)]) for budget in GRID_BUDGETS)
            + "</tr>"
            for target in GRID_TARGETS
        )
        title = "no size budget" if size is None else f"at most {kilobytes(size)}"
        tables.append(
            f'<figure class="card"><figcaption>SVG: {title}</figcaption><table class="heat">'
            f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></figure>"
        )
    return f'<div class="plots">{"".join(tables)}</div>'


def _heat(one: CellResult) -> str:
    j, gap = one.judgement, one.gap_closed
    # Where SBS and VBS nearly tie the ratio explodes, and its digits say nothing.
    text = percent(gap) if gap is None or gap >= LOWEST_GAP else f"&lt; {percent(LOWEST_GAP)}"
    shade = "none" if gap is None else "good" if gap >= 0 else "bad"
    depth = 0.0 if gap is None else min(abs(gap), 1.0)
    return (
        f'<td class="{shade}" style="--depth:{depth:.3f}"><b>{text}</b>'
        f"<small>{j.sbs:.3f} {j.router:.3f} {j.vbs:.3f}</small></td>"
    )


def summary_table(found: Evaluation) -> str:
    """Return what each candidate gives when it is always taken, and the router."""
    true = bool(found.sources)
    rows = [
        (
            s.name,
            f"{s.quality:.4f}",
            *(["-" if s.fidelity_4x is None else f"{s.fidelity_4x:.4f}"] if true else []),
            milliseconds(s.seconds),
            kilobytes(s.svg_bytes),
            f"{s.utility:.4f}",
        )
        for s in found.summaries
    ]
    return _table(["always", "quality", *(["fidelity 4x"] if true else []), "time", "size", "utility"], rows)


def fidelity_table(found: Evaluation) -> str:
    """Return fidelity_4x of each candidate and the router within each time budget; the best of a column stands out."""
    by_name: dict[str, list[Fidelity]] = {}
    for one in found.fidelity:
        by_name.setdefault(one.name, []).append(one)
    budgets = [one.time_budget for one in next(iter(by_name.values()))]
    best = [max(ones[i].fidelity_4x for ones in by_name.values()) for i in range(len(budgets))]
    rows = [
        (name, *(_fidelity(one, top) for one, top in zip(ones, best, strict=True))) for name, ones in by_name.items()
    ]
    return _table(["always", *map(_limit, budgets)], rows)


def _fidelity(one: Fidelity, best: float) -> str:
    text = f"{one.fidelity_4x:.4f}"
    text = f"<b>{text}</b>" if one.fidelity_4x == best else text
    return text if one.time_budget is None else f"{text}<small>{percent(one.kept)} kept</small>"


def loss_table(found: Evaluation) -> str:
    """Return how many choices lost utility for which reason, and their share in all that was lost."""
    lost = {kind: [c.best_utility - c.utility for c in found.choices if c.loss == kind] for kind in KINDS}
    total = sum(map(sum, lost.values()))
    rows = [
        (
            f'<i class="dot" style="color:var({VARIABLES[kind_colors()[kind]]})"></i> {escape(KINDS[kind])}',
            percent(len(values) / len(found.choices), 1),
            percent(sum(values) / total),
        )
        for kind, values in lost.items()
        if values
    ]
    none = sum(not c.loss for c in found.choices) / len(found.choices)
    rows.append(("nothing: as good as the best candidate", percent(none, 1), ""))
    return _table(["what lost utility", "choices", "of the regret"], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is a name and whose others are numbers; the cells are HTML."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(
        ('<tr class="router">' if row[0] == ROUTER else "<tr>")
        + f'<th scope="row">{row[0]}</th>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _limit(budget: float | None) -> str:
    return "no budget" if budget is None else milliseconds(budget)
