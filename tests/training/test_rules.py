"""The constants of the last fallback bound what was measured."""

import msgspec
import numpy as np

from training._rules import rule_constants
from training._run import Label
from training._tables import Table


def test_rule_constants_bound_what_was_measured(labelled: list[Label]) -> None:
    found = rule_constants(Table(labelled))
    assert set(found) == {f"{n}_{part}" for n in ("seconds", "bytes") for part in ("fixed", "per_pixel", "margin")}
    assert all(np.isfinite(value) and value >= 0 for value in found.values())
    assert found["seconds_margin"] > 1


def test_rule_constants_of_one_image_at_one_step(labelled: list[Label]) -> None:
    one = Table(labelled[:1])
    assert all(np.isfinite(value) for value in rule_constants(one).values())


def test_refinements_are_held_against_their_start_plans(labelled: list[Label]) -> None:
    slow = [
        msgspec.structs.replace(
            one,
            runs=(
                *one.runs,
                *(
                    msgspec.structs.replace(run, origin="ppo", seconds=run.seconds * 5)
                    for run in one.runs
                    if run.origin == "regression"
                ),
            ),
        )
        for one in labelled
    ]
    alone, both = rule_constants(Table(labelled)), rule_constants(Table(slow))
    assert {name: both[name] for name in alone} == alone
    assert 1 < both["refined_times"] < 25
