"""What seconds are worth: runs repeated one at a time tell how far busy neighbours slowed the labels, and the noise."""

from collections.abc import Sequence

import msgspec
import numpy as np

from training._run import Label


class Slowdown(msgspec.Struct, frozen=True):
    """How many times as long runs took beside others: the median, and the relative median deviation from it."""

    median: float
    spread: float


def slowdown(labels: Sequence[Label], repeats: Sequence[Label]) -> Slowdown:
    """Compare runs with their repeats; (1, 0) where there are none."""
    alone = {(again.key, run.origin, run.plan): run.seconds for again in repeats for run in again.runs}
    pairs = [
        (run.seconds, alone[known])
        for label in labels
        for run in label.runs
        if (known := (label.key, run.origin, run.plan)) in alone
    ]
    if not pairs:
        return Slowdown(1.0, 0.0)
    ratios = np.array([together / single for together, single in pairs])
    median = float(np.median(ratios))
    return Slowdown(median, float(np.median(np.abs(ratios / median - 1))))


def faster(label: Label, times: float) -> Label:
    """Return a label whose runs took so many times less."""
    runs = tuple(msgspec.structs.replace(run, seconds=run.seconds / times) for run in label.runs)
    return msgspec.structs.replace(label, runs=runs)
