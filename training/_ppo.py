"""The plan policy is trained here: PPO on simulated images, exported as ONNX with what it answers to golden states."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from models._manifest import FINER, KEEP, STOP, STOP_CHOICES, Move, Parameter, PolicySpec
from router import FEATURE_NAMES
from training._policyfile import TrainedPolicy
from training._probe import DENOISES, FILTER_SPECKLES, LAYER_DIFFERENCES, PALETTES
from training._tables import LOG_FEATURES, Array, Table

ATTEMPTS = 4
STEPS = 150_000  # of all environments together
ROLLOUT = 8  # steps of each environment between two updates: two or three episodes
BATCH, EPOCHS, RATE = 512, 4, 2e-3
ENTROPY = 0.004
WIDTH = 96
# How much likelier than others the untrained policy leaves a parameter as it is, in units of the logarithm: changing
# everything at once teaches nothing.
CAUTION = 1.5
GOLDEN_STATES = 16
OPSET = 17

# What a policy may change: all that matters to outlines of reduced images; the other parameters act on splines alone.
MOVES = (
    Move(name=STOP, choices=STOP_CHOICES),
    Move(name="upscale", choices=(KEEP, "coarser", FINER)),
    Move(name="palette", choices=(KEEP, *map(str, PALETTES))),
    Move(name="layer_difference", choices=(KEEP, *map(str, LAYER_DIFFERENCES))),
    Move(name="filter_speckle", choices=(KEEP, *map(str, FILTER_SPECKLES))),
    Move(name="denoise", choices=(KEEP, *map(str, DENOISES))),
    Move(name="matte", choices=(KEEP, "binary", "bands")),
)
# A plan as the policy sees it. No palette is far from any other, as its logarithm happens to be.
PARAMETERS = (
    Parameter(name="upscale", scale=2.0, log2=True),
    Parameter(name="palette", scale=8.0, log2=True),
    Parameter(name="layer_difference", scale=64.0),
    Parameter(name="filter_speckle", scale=8.0),
    Parameter(name="denoise", scale=3.0),
    Parameter(name="matte", codes={"binary": 0.0, "bands": 1.0, "none": -1.0}),
)


def policy_spec(table: Table) -> PolicySpec:
    """Return how the policy is asked, with the features scaled as they lie in a table."""
    features = table.scaled_features()
    return PolicySpec(
        names=FEATURE_NAMES,
        log1p=tuple(name for name in FEATURE_NAMES if name in LOG_FEATURES),
        # A feature that some labels lack is scaled by the others.
        mean=_list(np.nanmean(features, axis=0)),
        std=_list(np.nanstd(features, axis=0) + 1e-3),
        parameters=PARAMETERS,
        attempts=ATTEMPTS,
        moves=MOVES,
    )


def train_policy(
    environment: VecEnv,
    spec: PolicySpec,
    seed: int,
    *,
    steps: int = STEPS,
    report: Callable[[int, float], None] = lambda *_: None,
) -> TrainedPolicy:
    """Return the policy that PPO found; `report` is told the steps done and what an episode is worth on average."""
    model = PPO(
        "MlpPolicy",
        environment,
        n_steps=ROLLOUT,
        batch_size=BATCH,
        n_epochs=EPOCHS,
        learning_rate=lambda left: RATE * (0.05 + 0.95 * left),
        gamma=1.0,
        gae_lambda=0.95,
        ent_coef=ENTROPY,
        policy_kwargs={"net_arch": {"pi": [WIDTH, WIDTH], "vf": [WIDTH, WIDTH]}},
        seed=seed,
        device="cpu",
    )
    _be_cautious(model, spec.moves)
    with _one_thread():
        model.learn(steps, callback=_Reporting(report))
    return exported(Actor(model), spec, _states(model))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread, which is enough for a network this small, and leave other training its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _be_cautious(model: PPO, moves: Sequence[Move]) -> None:
    """Let the untrained policy mostly leave parameters as they are, all but the palette."""
    biases = [
        CAUTION if choice == 0 and m.name != "palette" else 0.0 for m in moves for choice in range(len(m.choices))
    ]
    with torch.no_grad():
        cast(nn.Linear, model.policy.action_net).bias.copy_(torch.tensor(biases))


class Actor(nn.Module):
    """The part of a policy that acts: states [N, width] to one number per choice [N, choices]."""

    def __init__(self, model: PPO) -> None:
        super().__init__()
        self._hidden = model.policy.mlp_extractor.policy_net
        self._last = model.policy.action_net

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self._last(self._hidden(state))
        return answer


class _Reporting(BaseCallback):
    """Tells how far training is and what episodes are worth by now."""

    def __init__(self, report: Callable[[int, float], None]) -> None:
        super().__init__()
        self._report = report

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.locals["rollout_buffer"]
        episodes = max(float(buffer.episode_starts.sum()), 1.0)
        self._report(self.num_timesteps, float(buffer.rewards.sum()) / episodes)


def _states(model: PPO) -> Array:
    """Return some of the states that were met last."""
    width = int(np.prod(model.observation_space.shape or ()))
    met = np.asarray(model.rollout_buffer.observations, np.float32).reshape(-1, width)
    return met[:: -(-len(met) // GOLDEN_STATES)]


def exported(actor: nn.Module, spec: PolicySpec, states: Array) -> TrainedPolicy:
    """Return the policy as ONNX, with what the network itself answers to some states."""
    example = torch.tensor(states)
    with torch.no_grad():
        out = actor.eval()(example).numpy()
    golden, onnx = io.BytesIO(), io.BytesIO()
    np.savez_compressed(golden, in_state=states, out=out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            actor,
            (example,),
            cast(Any, onnx),  # a stream is taken too, whatever the types say
            input_names=["state"],
            output_names=["out"],
            dynamic_axes={"state": {0: "states"}, "out": {0: "states"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return TrainedPolicy(spec=spec, onnx=onnx.getvalue(), golden=golden.getvalue())


def _list(values: Array) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
