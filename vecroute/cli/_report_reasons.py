"""Why a choice lost utility against the best candidate of its image, told from the numbers of both runs."""

from collections.abc import Callable

import msgspec

from vecroute.cli._measuring import Choice, Run
from vecroute.cli._terminal import kilobytes, milliseconds

# Utility below this is rounding, no loss.
LEAST_LOSS = 1e-9

# Each kind of loss, in the order in which the report shows them.
KINDS: dict[str, str] = {
    "time": "over the time budget",
    "bytes": "over the SVG budget",
    "cautious": "the best was thought over budget",
    "overrated": "the chosen was thought better than it is",
    "underrated": "the best was thought worse than it is",
    "cheaper": "both were judged right, a cheaper one was preferred",
    "failed": "the conversion failed",
    "unpredicted": "no predictor scored it",
}


class Loss(msgspec.Struct, frozen=True):
    """A key of `KINDS`, and one sentence with the numbers."""

    kind: str
    text: str


def explain(choice: Choice, chosen: Run, best: Run) -> Loss | None:
    """Tell why the chosen run has less utility than the best one; None if it has not."""
    if choice.best_utility - choice.utility < LEAST_LOSS:
        return None
    if chosen.seconds is None or chosen.svg_bytes is None or chosen.quality is None:
        return Loss("failed", f"The conversion failed: {chosen.error}.")
    if choice.time_budget is not None and chosen.seconds > choice.time_budget:
        high = chosen.predicted_seconds_high
        return Loss("time", "It took " + _overrun(choice.time_budget, chosen.seconds, high, milliseconds))
    if choice.svg_budget is not None and chosen.svg_bytes > choice.svg_budget:
        high = chosen.predicted_svg_bytes_high
        return Loss("bytes", "It has " + _overrun(choice.svg_budget, chosen.svg_bytes, high, kilobytes))
    return _misjudged(choice, chosen, best)


def _overrun(budget: float, measured: float, high: float | None, show: Callable[[float], str]) -> str:
    said = f"{show(measured)} of {show(budget)}"
    if high is None:
        return f"{said}; nobody predicted it."
    if high > budget:
        return f"{said}; its bound was {show(high)}: nothing was thought to fit."
    return f"{said}; it was thought to stay below {show(high)}."


def _misjudged(choice: Choice, chosen: Run, best: Run) -> Loss:
    """Tell which prediction led away from the best, where the chosen kept its budgets."""
    assert chosen.quality is not None
    assert best.quality is not None
    if chosen.predicted_quality is None or best.predicted_quality is None:
        return Loss("unpredicted", "No predictor scored the candidates: base routing chose.")
    for budget, high, measured, show in (
        (choice.time_budget, best.predicted_seconds_high, best.seconds, milliseconds),
        (choice.svg_budget, best.predicted_svg_bytes_high, best.svg_bytes, kilobytes),
    ):
        if budget is not None and high is not None and measured is not None and high > budget:
            text = f"The best takes {show(measured)} of {show(budget)}; its bound was {show(high)}."
            return Loss("cautious", text)
    above, below = chosen.predicted_quality - chosen.quality, best.quality - best.predicted_quality
    told = (
        f"{chosen.candidate} was thought to reach {chosen.predicted_quality:.3f} and reached {chosen.quality:.3f}; "
        f"{best.candidate} was thought to reach {best.predicted_quality:.3f} and reached {best.quality:.3f}."
    )
    if max(above, below) <= 0:
        return Loss("cheaper", told)
    return Loss("overrated" if above >= below else "underrated", told)
