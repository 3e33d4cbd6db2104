"""The simulator knows what was run, doubts what was not, and draws the same again from the same seed."""

import numpy as np
import pytest

from router import Plan
from training import _simulator
from training._run import Label
from training._simulator import AXES, NO_PALETTE, Process, Simulator, fit_process, place
from training._tables import Table


@pytest.fixture(scope="module")
def table(searched: list[Label]) -> Table:
    return Table(searched)


@pytest.fixture(scope="module")
def simulator(table: Table) -> Simulator:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_simulator, "ROUNDS", 10)
        patch.setattr(_simulator, "FITTED_LOOKS", 40)
        return Simulator(table, seed=1)


def test_what_was_run_comes_out_as_it_was(simulator: Simulator, table: Table) -> None:
    off = []
    for run in range(0, len(table), 5):
        image = int(table.image_of[run])
        drawn = [simulator.episode(image) for _ in range(20)]
        found = simulator.outcomes(drawn, [table.plans[run]] * 20)
        off.append(np.mean([one.quality for one in found]) - table.quality[run])
    assert np.mean(np.abs(off)) < 0.02


def test_what_was_not_run_is_doubted_but_stays_the_same_within_an_episode(simulator: Simulator) -> None:
    strange = Plan(upscale=6, palette=96, denoise=3, mode="none")
    one, other = simulator.episode(0), simulator.episode(0)
    first, again, second = simulator.outcomes([one, one, other], [strange] * 3)
    assert first == again
    assert first.quality != second.quality
    assert all(0 <= found.quality <= 1 and found.seconds > 0 and found.svg_bytes >= 1 for found in (first, second))


def test_finer_steps_take_longer(simulator: Simulator) -> None:
    drawn = [simulator.episode(0)] * 2
    coarse, fine = simulator.outcomes(drawn, [Plan(upscale=1), Plan(upscale=8)])
    assert fine.seconds > 5 * coarse.seconds


def test_the_process_finds_the_length_of_what_it_sees() -> None:
    rng = np.random.default_rng(2)
    places = [rng.uniform(0, 4, (25, AXES)) for _ in range(6)]
    true = Process(offset=0.5, spread=0.4, noise=0.05, lengths=(0.5, *[20.0] * (AXES - 1)))
    images = []
    for where in places:
        covariance = true.covariance(where, where) + true.noise**2 * np.eye(len(where))
        images.append((where, rng.multivariate_normal(np.zeros(len(where)), covariance)))
    found = fit_process(images)
    assert found.lengths[0] < min(found.lengths[1:])


def test_places_lie_apart_where_plans_differ() -> None:
    assert len(place(Plan())) == AXES
    assert place(Plan(palette=0))[1] == NO_PALETTE > place(Plan(palette=256))[1]
    assert place(Plan(mode="none")) != place(Plan(mode="polygon")) != place(Plan(mode="spline"))
