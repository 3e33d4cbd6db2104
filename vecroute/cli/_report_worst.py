"""The worst decisions are kept with their pictures while images go by, so that memory holds a few images, not all."""

import msgspec
import numpy as np

from converter import render
from router.pixels import Pixels, backdrop, decode
from vecroute.cli._demo_pictures import Box, cut_out, difference, png, worst_region
from vecroute.cli._measuring import Choice, Kept, Measured, Run
from vecroute.cli._report_reasons import Loss, explain

COUNT = 10
# Where a budget is broken all is lost, so such decisions come first; these show predictions of quality that misled.
COUNT_WITHIN = 5
OVER_BUDGET = frozenset({"time", "bytes", "failed"})


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in pictures, each a PNG file: the image, what the chosen and the best candidate draw, and a region.

    `width` and `height` are the image's; `box` is the region where the chosen is off most, and the crops are that
    region's pixels; `ground` is the grey (0 or 255) on which the image shows.
    """

    width: int
    height: int
    ground: int
    box: Box
    image: bytes
    chosen: bytes
    best: bytes
    image_crop: bytes
    chosen_crop: bytes
    best_crop: bytes


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that lost utility: the choice, its run, the best candidate's run, and why."""

    choice: Choice
    chosen: Run
    best: Run
    loss: Loss
    kept: Kept

    @property
    def regret(self) -> float:
        """The utility lost against the best candidate."""
        return self.choice.best_utility - self.choice.utility


class Worst:
    """Keeps the worst decision of each image, as long as it is among the worst of all."""

    def __init__(self, count: int = COUNT, count_within: int = COUNT_WITHIN) -> None:
        self._count, self._count_within = count, count_within
        self._all: list[Decision] = []
        self._within: list[Decision] = []

    def see(self, one: Measured) -> None:
        """Look at an image whose choices are weighed and whose pictures are kept."""
        lost = _lost(one)
        self._all = _worst(self._all, lost, self._count)
        within = [decision for decision in lost if decision.loss.kind not in OVER_BUDGET]
        # As many again, for those that stand in the first list are not shown twice.
        self._within = _worst(self._within, within, self._count + self._count_within)

    @property
    def decisions(self) -> list[Decision]:
        """The worst decisions, the worst first, one an image."""
        return self._all

    @property
    def within_budget(self) -> list[Decision]:
        """The worst ones among those that broke no budget, of images not shown in `decisions`."""
        shown = {decision.choice.image for decision in self._all}
        return [one for one in self._within if one.choice.image not in shown][: self._count_within]


def _lost(one: Measured) -> list[Decision]:
    assert one.kept is not None
    runs = {run.candidate: run for run in one.runs}
    found = []
    for choice in one.choices:
        chosen, best = runs[choice.candidate], runs[choice.best_candidate]
        if (loss := explain(choice, chosen, best)) is not None:
            found.append(Decision(choice=choice, chosen=chosen, best=best, loss=loss, kept=one.kept))
    return found


def _worst(known: list[Decision], lost: list[Decision], count: int) -> list[Decision]:
    """Return the list with an image's worst decision at its place; of equals, what was seen first stays before."""
    added = [*known, *sorted(lost, key=_order)[:1]]
    return sorted(added, key=_order)[:count]


def _order(decision: Decision) -> float:
    return -round(decision.regret, 9)


def pictures(decision: Decision) -> Pictures:
    """Return a decision's pictures; a run that failed drew nothing."""
    pixels = decode(decision.kept.data)
    chosen, best = (_drawn(decision.kept.svgs[run.candidate], pixels) for run in (decision.chosen, decision.best))
    off = np.maximum(difference(chosen, pixels) - difference(best, pixels), 0)
    box = worst_region(off if off.any() else difference(chosen, pixels))
    return Pictures(
        width=pixels.shape[1],
        height=pixels.shape[0],
        ground=backdrop(pixels),
        box=box,
        image=png(pixels),
        chosen=png(chosen),
        best=png(best),
        image_crop=png(cut_out(pixels, box)),
        chosen_crop=png(cut_out(chosen, box)),
        best_crop=png(cut_out(best, box)),
    )


def _drawn(svg: str, pixels: Pixels) -> Pixels:
    return render(svg) if svg else np.zeros_like(pixels)
