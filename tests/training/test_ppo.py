"""PPO finds what is there to be found, and what is exported answers as the network does."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from models import PlanPolicy, PolicyModel
from router import FEATURE_NAMES
from tests.training.scenes import FEATURES, SPEC, START, Simulator, outcome
from training import _ppo
from training._environment import Made
from training._policyfile import LARGEST, TrainedPolicy
from training._ppo import policy_spec, train_policy
from training._simulated import SimulatedVecEnv
from training._tables import Table


def trained(steps: int, **told: object) -> TrainedPolicy:
    environment = SimulatedVecEnv(SPEC, Simulator(), [[START]], 32, seed=1)  # type: ignore[arg-type]
    return train_policy(environment, SPEC, 3, steps=steps, **told)  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def small_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ppo, "BATCH", 64)
        yield


@pytest.fixture(scope="module")
def policy(small_batches: None) -> TrainedPolicy:
    return trained(5000)


def test_it_learns_to_take_the_colours_that_are_best(policy: TrainedPolicy) -> None:
    loaded = PlanPolicy(PolicyModel(spec=policy.spec, data=policy.onnx, digest=""))
    found = outcome(START)
    first = Made(START, found.quality, found.seconds, found.svg_bytes)
    plan = loaded.next_plan(FEATURES, [first], 0)
    assert plan is not None
    assert outcome(plan).quality > first.quality


def test_the_golden_states_are_answered_as_the_network_does(policy: TrainedPolicy) -> None:
    loaded = PlanPolicy(PolicyModel(spec=policy.spec, data=policy.onnx, digest=""))
    with np.load(io.BytesIO(policy.golden)) as golden:
        assert loaded.answer(golden["in_state"]) == pytest.approx(golden["out"], abs=1e-4)
    assert len(policy.onnx) <= LARGEST


def test_the_same_seed_gives_the_same_policy_and_progress_is_told() -> None:
    told = list[int]()
    one, other = (trained(256, report=lambda done, _: told.append(done)) for _ in range(2))
    assert one.onnx == other.onnx
    assert told == [256, 256]


def test_it_learns_in_one_thread_and_leaves_other_training_its_own() -> None:
    before, during = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        trained(256, report=lambda *_: during.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(during) == {1}


def test_the_policy_sees_features_as_they_lie_in_the_table(table: Table) -> None:
    spec = policy_spec(table)
    assert spec.names == FEATURE_NAMES
    assert spec.mean == pytest.approx(table.scaled_features().mean(axis=0), abs=1e-4)
    assert all(std > 0 for std in spec.std)
