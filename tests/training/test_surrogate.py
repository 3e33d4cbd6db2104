"""The surrogate foretells which plan of a step costs less on an image, and nothing but that."""

import msgspec
import numpy as np
import pytest

from router import Plan
from tests.training.conftest import SEED
from training import _surrogate
from training._run import Label
from training._surrogate import Surrogate
from training._tables import Table
from training.errors import CorpusTooSmall

GOOD, BAD = Plan(upscale=2, palette=8), Plan(upscale=2, palette=64)


def judged(labels: list[Label]) -> Table:
    """Return the labels with figures by which few colours are good, the more so the finer the step."""
    changed = []
    for number, one in enumerate(labels):
        runs = tuple(
            msgspec.structs.replace(
                run,
                plan=msgspec.structs.replace(run.plan, palette=8 if i % 2 else 64),
                quality=(0.5 + 0.04 * number) if i % 2 else 0.2,
            )
            for i, run in enumerate(sorted(one.runs, key=lambda run: run.plan.upscale))
        )
        changed.append(msgspec.structs.replace(one, runs=runs))
    return Table(changed)


@pytest.fixture(scope="module")
def table(searched: list[Label]) -> Table:
    return judged(searched)


@pytest.fixture(scope="module")
def surrogate(table: Table) -> Surrogate:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_surrogate, "LEAF", 2)
        return Surrogate(table, SEED)


def test_the_better_plan_costs_less_on_every_image(table: Table, surrogate: Surrogate) -> None:
    costs = surrogate.costs(table.scaled_features(), [GOOD, BAD])
    assert costs.shape == (len(table.labels), 2)
    assert (costs[:, 0] < costs[:, 1]).all()


def test_costs_are_those_beside_the_other_plans(table: Table, surrogate: Surrogate) -> None:
    """What an image's plans have in common, here a tenth of the error on every other image, is no cost of a plan.

    It would move these costs by ln 10 = 2.3; trees grow a little differently from targets that differ in the last bit.
    """
    better = [
        msgspec.structs.replace(
            one, runs=tuple(msgspec.structs.replace(run, quality=1 - (1 - run.quality) / 10) for run in one.runs)
        )
        for one in table.labels
    ]
    mixed = Table(better[i] if i % 2 else one for i, one in enumerate(table.labels))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_surrogate, "LEAF", 2)
        other = Surrogate(mixed, SEED)
    features = table.scaled_features()
    assert other.costs(features, [GOOD, BAD]) == pytest.approx(surrogate.costs(features, [GOOD, BAD]), abs=0.2)


def test_the_same_seed_foretells_the_same(table: Table) -> None:
    one, other = (Surrogate(table, SEED).costs(table.scaled_features(), [GOOD, BAD]) for _ in range(2))
    assert one == pytest.approx(other)


def test_rows_are_priced_in_blocks(table: Table, surrogate: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = surrogate.costs(table.scaled_features(), [GOOD, BAD, Plan()])
    for most in (1, 4, 7):
        monkeypatch.setattr(_surrogate, "ROWS_AT_ONCE", most)
        assert surrogate.costs(table.scaled_features(), [GOOD, BAD, Plan()]) == pytest.approx(whole)


def test_each_images_own_plan_costs_what_it_costs_among_others(table: Table, surrogate: Surrogate) -> None:
    plans = [GOOD, BAD] * len(table.labels)
    features = table.scaled_features()
    own = surrogate.cost_of_each(features, plans[: len(features)])
    both = surrogate.costs(features, [GOOD, BAD])
    assert own == pytest.approx(both[np.arange(len(own)), np.arange(len(own)) % 2])


def test_a_run_that_is_alone_at_its_step_teaches_nothing(searched: list[Label]) -> None:
    alone = [
        msgspec.structs.replace(one, runs=tuple({run.plan.upscale: run for run in one.runs}.values()))
        for one in searched
    ]
    with pytest.raises(CorpusTooSmall, match="no image has two plans of one step"):
        Surrogate(Table(alone), SEED)


def test_the_less_bytes_weigh_the_sooner_a_closer_plan_is_worth_them(searched: list[Label]) -> None:
    """Many colours are a little closer here, in a thousand times the bytes."""
    figures = {8: (0.90, 100), 64: (0.93, 100_000)}
    changed = [
        msgspec.structs.replace(
            one,
            runs=tuple(
                msgspec.structs.replace(
                    run,
                    plan=msgspec.structs.replace(run.plan, upscale=1, palette=palette),
                    quality=figures[palette][0],
                    svg_bytes=figures[palette][1],
                    seconds=0.01,
                )
                for run, palette in zip(one.runs, (8, 64) * len(one.runs), strict=False)
            ),
        )
        for one in searched
    ]
    table = Table(changed)
    plans = [Plan(palette=8), Plan(palette=64)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_surrogate, "LEAF", 2)
        thrifty, generous = (Surrogate(table, SEED, thrift=t).costs(table.scaled_features(), plans) for t in (1.0, 0.1))
    assert (thrifty[:, 0] < thrifty[:, 1]).all()
    assert (generous[:, 0] > generous[:, 1]).all()
