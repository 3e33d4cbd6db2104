"""The worst decisions are kept with their pictures, a few only, and none is shown twice."""

import cv2
import numpy as np
import pytest

from router.pixels import Pixels
from tests.vecroute.cli.measured import made
from vecroute.cli._measuring import Measured
from vecroute.cli._report_worst import Worst, pictures


def seen(*measured: Measured, count: int = 2, count_within: int = 1) -> Worst:
    worst = Worst(count, count_within)
    for one in measured:
        worst.see(one)
    return worst


def opened(data: bytes) -> Pixels:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


def test_one_an_image_the_worst_first_and_no_more_than_asked_for() -> None:
    slight = made("slight", chosen="performance@1x", keep=True)
    late = [made(name, regression_2x={"seconds": 0.5}, keep=True) for name in ("x", "y", "z")]
    worst = seen(slight, *late)
    assert [one.choice.image for one in worst.decisions] == ["x", "y"]
    assert [one.loss.kind for one in worst.decisions] == ["time", "time"]
    assert worst.decisions[0].regret == max(c.best_utility - c.utility for c in late[0].choices)


def test_decisions_within_budget_have_a_list_of_their_own() -> None:
    slight = made("slight", chosen="performance@1x", keep=True)
    late = [made(name, regression_2x={"seconds": 0.5}, keep=True) for name in "xy"]
    worst = seen(*late, slight)
    (within,) = worst.within_budget
    assert within.choice.image == "slight"
    assert within.loss.kind not in {"time", "bytes", "failed"}
    assert seen(slight).within_budget == [], "it stands among the worst already"


def test_nothing_lost_nothing_kept() -> None:
    best = made("a", keep=True, quality=0.99)
    assert [one for one in seen(best).decisions if one.regret <= 0] == []


@pytest.mark.parametrize("drew", [True, False])
def test_pictures_of_a_decision(drew: bool) -> None:
    (decision, *_) = seen(made("a", chosen="regression@4x", keep=True)).decisions
    if not drew:
        decision.kept.svgs["regression@4x"] = ""
    shown = pictures(decision)
    assert opened(shown.image).shape[:2] == (shown.height, shown.width) == opened(shown.chosen).shape[:2]
    box = (shown.box.height, shown.box.width)
    assert (
        opened(shown.image_crop).shape[:2] == opened(shown.chosen_crop).shape[:2] == opened(shown.best_crop).shape[:2]
    )
    assert opened(shown.image_crop).shape[:2] == box
    assert bool(opened(shown.chosen).any()) == drew
