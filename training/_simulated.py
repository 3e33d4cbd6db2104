"""Many refinements at once on simulated images, as stable-baselines3 takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from models._manifest import PolicySpec
from models._policy import StateComposer
from router import Plan
from training._environment import REPEATED, Episode, action_space, observation_space
from training._simulator import Simulated, Simulator
from training._tables import Array

ENVIRONMENTS = 256


class SimulatedVecEnv(VecEnv):
    """Many refinements at once, on simulated images: all that are run in a step are answered together."""

    def __init__(
        self, spec: PolicySpec, simulator: Simulator, starts: Sequence[Sequence[Plan]], count: int, seed: int
    ) -> None:
        super().__init__(count, observation_space(spec), action_space(spec))
        self._spec, self._simulator, self._starts = spec, simulator, starts
        self._compose = StateComposer(spec)
        self._rng = np.random.default_rng(seed)
        self._drawn: list[Simulated] = []
        self._episodes: list[Episode] = []
        self._actions: NDArray[np.int64] = np.zeros((count, 0), np.int64)

    def reset(self) -> Array:
        """Begin everywhere with another image."""
        begun = [self._begin() for _ in range(self.num_envs)]
        self._drawn, self._episodes = [drawn for drawn, _ in begun], [episode for _, episode in begun]
        self._start(range(self.num_envs))
        return self._states()

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Array, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Run the changed plans; where an episode ends, another image begins."""
        rewards, ended = np.zeros(self.num_envs, np.float32), np.ones(self.num_envs, bool)
        running = list[tuple[int, Plan]]()
        for index, (episode, action) in enumerate(zip(self._episodes, self._actions.tolist(), strict=True)):
            plan = episode.changed(action)
            if plan is None:
                continue
            if episode.tried(plan):
                rewards[index] = -REPEATED
                continue
            running.append((index, plan))
        outcomes = self._simulator.outcomes([self._drawn[i] for i, _ in running], [plan for _, plan in running])
        for (index, plan), outcome in zip(running, outcomes, strict=True):
            rewards[index] = self._episodes[index].record(plan, outcome)
            ended[index] = self._episodes[index].full
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        over = np.flatnonzero(ended).tolist()
        for index in over:
            infos[index]["terminal_observation"] = self._episodes[index].state()
            self._drawn[index], self._episodes[index] = self._begin()
        self._start(over)
        return self._states(), rewards, ended, infos

    def _begin(self) -> tuple[Simulated, Episode]:
        image = int(self._rng.integers(len(self._starts)))
        drawn = self._simulator.episode(image)
        own = self._starts[image]
        start = own[int(self._rng.integers(len(own)))]
        return drawn, Episode(self._spec, self._compose, drawn.known.features, start)

    def _start(self, indices: Sequence[int]) -> None:
        """Run the start plans of new episodes."""
        episodes = [self._episodes[index] for index in indices]
        outcomes = self._simulator.outcomes([self._drawn[i] for i in indices], [e.start for e in episodes])
        for episode, outcome in zip(episodes, outcomes, strict=True):
            episode.record(episode.start, outcome)

    def _states(self) -> Array:
        return np.stack([episode.state() for episode in self._episodes])

    def close(self) -> None:
        """Nothing is held."""

    # What a remote environment would be asked for; these live in this process.
    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:  # noqa: ARG002 - one answer for all
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:  # noqa: ARG002 - none is
        return [False] * self.num_envs
