"""How good an export is on held-out labels: the predictor's errors, and what the router's choices reach on the grid."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from converter._agreement import agreement
from converter._fixed import FIXED
from converter._grid import GRID, Cell, Judgement, Row, collect, judge, kept_where_possible, over_fixed, pool
from models import Export
from router import METHODS, Candidate, Constraints, Policy, Prediction, RoutingDecision, decide
from router.pixels import Sample
from training._forest import forest_errors
from training._run import THUMBNAIL, Label, Run
from training._tables import Table

SPLITS = {"families": "whole held-out families", "images": "held-out drawings of trained families"}


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A split in numbers: errors of `predictor` over the methods' candidates and of `forest` over the request grid."""

    images: int
    predictor: dict[str, float]
    forest: dict[str, float]
    policies: dict[str, dict[str, float | None]]
    means: dict[str, dict[str, float]]


def sample_of_label(label: Label) -> Sample:
    """Return a label's image as the models see it."""
    picture = np.frombuffer(label.thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL, 4)
    return Sample(label.features, picture)


def complete(export: Export, labels: Iterable[Label]) -> list[Label]:
    """Return the labels that hold a measured run of each candidate that an export offers: choices are judged there.

    A method that no label measured is left out of it.
    """
    labels = list(labels)
    methods = measured_methods(labels)
    return [
        label
        for label in labels
        if {(run.origin, run.plan) for run in label.runs}.issuperset(
            candidate for candidate in export.candidates(label.features) if candidate[0] in methods
        )
    ]


def measured_methods(labels: Iterable[Label]) -> set[str]:
    """Return the origins of all runs that are methods."""
    return {run.origin for label in labels for run in label.runs} & set(METHODS)


def judge_export(export: Export, labels: Sequence[Label], policies: Sequence[Policy]) -> Judged:
    """Judge an export on labels that hold a measured run of each of its candidates (`complete`), at least one."""
    methods = measured_methods(labels)
    predictions = [_of(methods, export.predict(sample_of_label(label))) for label in labels]
    return Judged(
        images=len(labels),
        predictor=predictor_errors(labels, predictions),
        forest=forest_errors(Table(labels), [p.base for p in predictions]) if predictions[0].base else {},
        policies={p.name: _policy(labels, predictions, p) for p in policies},
        means=_means(labels, predictions, policies[0]),
    )


def _of(methods: set[str], prediction: Prediction) -> Prediction:
    """Return a prediction without the candidates of other methods."""
    kept = tuple(c for c in prediction.candidates if c.method in methods)
    return msgspec.structs.replace(prediction, candidates=kept)


def predictor_errors(labels: Sequence[Label], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return pearson and mean absolute error of quality, pearson of ln seconds and ln bytes, and the bounds kept.

    A correlation is left out where one side does not vary; all but the number of runs where no run was predicted.
    """
    pairs = [
        (c.quality, run.quality, c.seconds, run.seconds, c.seconds_high, c.svg_bytes, run.svg_bytes, c.svg_bytes_high)
        for c, run in matched(labels, predictions)
    ]
    if not pairs:
        return {"runs": 0.0}
    said_q, q, said_s, s, high_s, said_b, b, high_b = np.array(pairs, dtype=np.float64).T
    quality = agreement(said_q.tolist(), q.tolist())
    seconds = agreement(np.log(said_s).tolist(), np.log(s).tolist())
    size = agreement(np.log(said_b).tolist(), np.log(b).tolist())
    assert quality is not None
    assert seconds is not None
    assert size is not None
    found = {
        "pearson": quality.pearson,
        "mae": quality.mae,
        "seconds_pearson": seconds.pearson,
        "bytes_pearson": size.pearson,
        "seconds_within_bound": float((s <= high_s).mean()),
        "bytes_within_bound": float((b <= high_b).mean()),
        "runs": float(len(pairs)),
    }
    return {name: value for name, value in found.items() if value is not None}


def matched(labels: Sequence[Label], predictions: Sequence[Prediction]) -> list[tuple[Candidate, Run]]:
    """Return each predicted candidate that was labelled with the run that measured it."""
    return [
        (candidate, run)
        for label, prediction in zip(labels, predictions, strict=True)
        for candidate in prediction.candidates
        for run in label.runs
        if (run.origin, run.plan) == (candidate.method, candidate.plan)
    ]


def choices(predictions: Sequence[Prediction], cell: Cell, policy: Policy) -> list[RoutingDecision]:
    """Return the decision for each image in one cell."""
    wanted = Constraints(quality_target=cell.quality_target, time_budget=cell.time_budget, svg_budget=cell.svg_budget)
    return [decide(prediction, wanted, policy=policy) for prediction in predictions]


def _policy(labels: Sequence[Label], predictions: Sequence[Prediction], policy: Policy) -> dict[str, float | None]:
    judged = judge_grid(labels, lambda cell: choices(predictions, cell, policy), METHODS)
    against_fixed = judge_grid(labels, lambda cell: choices(predictions, cell, policy), ("fixed",))
    pooled, fixed = pool(judged), pool(against_fixed)
    return {
        "gap_closed": pooled.gap_closed,
        "gap_closed_over_fixed": over_fixed(pooled, fixed).gap_closed,
        "utility": pooled.router,
        "sbs": pooled.sbs,
        "vbs": pooled.vbs,
        "fixed": fixed.sbs,
        "kept": kept_where_possible(judged),
        "met": float(np.mean([j.met for j in judged])),
    }


def judge_grid(
    labels: Sequence[Label], chosen: Callable[[Cell], list[RoutingDecision]], portfolio: Sequence[str]
) -> list[Judgement]:
    """Judge the choices in every cell against candidates whose method is in the portfolio."""
    outcomes = collect(row for label in labels for row in rows_of(label))
    methods = [name.split("@")[0] for name in outcomes.candidates]
    columns: NDArray[np.intp] = np.array([i for i, m in enumerate(methods) if m in portfolio], dtype=np.intp)
    return [
        judge(outcomes, cell, outcomes.chosen([f"{d.primary_method}@{d.plan.upscale}" for d in chosen(cell)]), columns)
        for cell in GRID
    ]


def rows_of(label: Label) -> list[Row]:
    """Return a label's runs as rows of the grid: the methods' candidates and the fixed plans."""
    rows = []
    for run in label.runs:
        method = "fixed" if run.origin in FIXED and run.origin != "defaults" else run.origin
        if method in ("random", "defaults"):
            continue
        step = run.plan.upscale
        rows.append(
            Row(
                image=label.key,
                candidate=f"{method}@{step}",
                quality=run.quality,
                seconds=run.seconds,
                svg_bytes=run.svg_bytes,
                method=method,
                step=step,
            )
        )
    return rows


def _means(labels: Sequence[Label], predictions: Sequence[Prediction], policy: Policy) -> dict[str, dict[str, float]]:
    """Return mean quality, seconds and bytes of the fixed plans, each method's finest, the router and the best."""
    groups: dict[str, list[Any]] = {name: [] for name in (*FIXED, *METHODS, "router", "vbs")}
    unbounded = choices(predictions, Cell(), policy)
    for label, decision in zip(labels, unbounded, strict=True):
        for name in FIXED:
            groups[name] += [run for run in label.runs if run.origin == name]
        for method in METHODS:
            own = [run for run in label.runs if run.origin == method]
            groups[method] += [max(own, key=lambda r: r.plan.upscale)] if own else []
        methods = [run for run in label.runs if run.origin in METHODS]
        picked = [r for r in methods if (r.origin, r.plan) == (decision.primary_method, decision.plan)]
        groups["router"] += picked[:1]
        groups["vbs"] += [max(methods, key=lambda r: r.quality)] if methods else []
    return {
        name: {
            "quality": float(np.mean([r.quality for r in runs])),
            "seconds": float(np.mean([r.seconds for r in runs])),
            "svg_bytes": float(np.mean([r.svg_bytes for r in runs])),
            "images": float(len(runs)),
        }
        for name, runs in groups.items()
        if runs
    }
