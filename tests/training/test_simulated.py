"""Many simulated refinements at once: each ends where it must, and another image begins."""

import numpy as np
import pytest

from models._policy import StateComposer
from tests.training.scenes import SPEC, START, Simulator, action
from training._environment import PRICE, REPEATED
from training._simulated import SimulatedVecEnv


@pytest.fixture
def many() -> SimulatedVecEnv:
    environment = SimulatedVecEnv(SPEC, Simulator(), [[START]], 3, seed=1)  # type: ignore[arg-type]
    environment.reset()
    return environment


def test_each_refinement_goes_its_own_way(many: SimulatedVecEnv) -> None:
    states, rewards, ended, infos = many.step(np.stack([action(palette="4"), action(stop="stop"), action()]))
    assert ended.tolist() == [False, True, True]
    rewards = np.asarray(rewards)
    assert rewards[0] > 0.5
    assert rewards[1:] == pytest.approx([0.0, -REPEATED])
    assert [("terminal_observation" in info) for info in infos] == [False, True, True]
    begun = np.asarray(many.reset())[0]
    assert np.asarray(states)[1] == pytest.approx(begun)
    assert np.asarray(states)[0] != pytest.approx(begun)


def test_the_last_attempt_ends_the_episode(many: SimulatedVecEnv) -> None:
    steps = [many.step(np.stack([action(palette=palette)] * 3)) for palette in ("1", "2", "3")]
    assert [ended.all() for _, _, ended, _ in steps] == [False, False, True]
    assert steps[-1][1] == pytest.approx(np.log(0.11 / 0.07) - PRICE)


def test_what_libraries_ask_of_it(many: SimulatedVecEnv) -> None:
    assert many.get_attr("render_mode") == [None] * 3
    assert many.env_is_wrapped(object) == [False] * 3
    assert many.observation_space.shape == (StateComposer(SPEC).width,)
    with pytest.raises(NotImplementedError):
        many.set_attr("charm", 1)
    with pytest.raises(NotImplementedError):
        many.env_method("charm")
    many.close()
