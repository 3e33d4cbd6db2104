"""Runs repeated on their own tell what neighbours cost."""

import msgspec
import pytest

from training._repeats import Slowdown, faster, slowdown
from training._run import Label


def test_without_repeats_nothing_is_known(searched: list[Label]) -> None:
    assert slowdown(searched, []) == Slowdown(1.0, 0.0)


def test_the_median_ratio_is_found(searched: list[Label]) -> None:
    found = slowdown(searched, [faster(one, 1.5) for one in searched[:2]])
    assert found.median == pytest.approx(1.5)
    assert found.spread == pytest.approx(0, abs=1e-9)


def test_other_plans_and_images_are_not_compared(searched: list[Label]) -> None:
    stranger = msgspec.structs.replace(searched[0], key="another")
    assert slowdown(searched[1:], [searched[0], stranger]) == Slowdown(1.0, 0.0)


def test_faster_changes_seconds_alone(searched: list[Label]) -> None:
    one, other = searched[0], faster(searched[0], 2)
    assert [run.seconds * 2 for run in other.runs] == [run.seconds for run in one.runs]
    assert [run.quality for run in other.runs] == [run.quality for run in one.runs]
