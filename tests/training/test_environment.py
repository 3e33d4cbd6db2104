"""The refinement as an environment: gymnasium's own checks, what steps are worth, and real conversions."""

import math
import warnings

import msgspec
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from router import Features, Plan
from router.pixels import measure
from tests.router.drawings import disc
from tests.training.scenes import FEATURES, SPEC, START, Scene, action, episode, outcome
from training._environment import PRICE, REPEATED, UNSEEN_ERROR, Outcome, RealScene, RefinementEnv


class Timeless(RealScene):
    """Real conversions that always take the same time, so that the same seed gives the same episode."""

    def run(self, plan: Plan) -> Outcome | None:
        found = super().run(plan)
        return found and msgspec.structs.replace(found, seconds=0.001)


def real(_: np.random.Generator) -> RealScene:
    pixels = disc(radius=20)[24:72, 24:72].copy()
    return Timeless(pixels, measure(pixels, 500), Plan(palette=6))


def test_gymnasium_finds_no_fault_with_real_conversions() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # it would like symmetric, normalised spaces
        check_env(RefinementEnv(SPEC, real), skip_render_check=True)


def test_an_episode_begins_with_the_start_plan_run() -> None:
    scene = Scene()
    environment = RefinementEnv(SPEC, lambda _: scene)
    state, _ = environment.reset(seed=1)
    assert scene.ran == [START]
    assert environment.observation_space.contains(state)


def test_a_step_is_worth_the_error_it_takes_away_less_its_time() -> None:
    environment = RefinementEnv(SPEC, lambda _: Scene())
    environment.reset(seed=1)
    _, worth, ended, cut, _ = environment.step(action(palette="4", upscale="coarser"))
    gain = math.log((0.1 + UNSEEN_ERROR) / (0.02 + UNSEEN_ERROR))
    assert worth == pytest.approx(gain - PRICE / 4)
    assert (ended, cut) == (False, False)
    _, worth, ended, _, _ = environment.step(action(palette="3"))
    assert worth == pytest.approx(-PRICE / 4)  # worse, and of the best plan's step
    assert not ended
    _, _, ended, _, _ = environment.step(action(palette="6", upscale="finer"))
    assert ended


@pytest.mark.parametrize(
    ("choices", "worth", "runs"),
    [
        pytest.param({"stop": "stop", "palette": "4"}, 0.0, 1, id="stop"),
        pytest.param({}, -REPEATED, 1, id="the same plan again"),
        pytest.param({"palette": "5"}, -PRICE, 2, id="a plan that fails"),
    ],
)
def test_what_ends_an_episode(choices: dict[str, str], worth: float, runs: int) -> None:
    scene = Scene()
    environment = RefinementEnv(SPEC, lambda _: scene)
    environment.reset(seed=1)
    _, given, ended, _, _ = environment.step(action(**choices))
    assert (given, ended, len(scene.ran)) == (worth, True, runs)


def test_a_start_plan_that_fails_is_passed_over() -> None:
    broken = Scene()
    broken.start = Plan(palette=5)
    scenes = iter([broken, Scene()])
    environment = RefinementEnv(SPEC, lambda _: next(scenes))
    environment.reset(seed=1)
    assert environment.episode is not None
    assert environment.episode.start == START


def test_changes_are_made_to_the_best_plan() -> None:
    begun = episode()
    better, worse = Plan(upscale=2, palette=4), Plan(upscale=2, palette=3)
    begun.record(better, outcome(better))
    begun.record(worse, outcome(worse))
    assert begun.best == 1
    assert begun.changed(action(denoise="1").tolist()) == Plan(upscale=2, palette=4, denoise=1)
    assert begun.tried(worse)
    assert not begun.full


def test_a_real_scene_measures_and_survives_what_fails() -> None:
    scene = real(np.random.default_rng(1))
    found = scene.run(scene.start)
    assert isinstance(found, Outcome)
    assert 0.5 < found.quality <= 1
    assert found.seconds > 0
    large = RealScene(np.full((2049, 2049, 4), 255, np.uint8), Features(), Plan())
    assert large.run(Plan(upscale=8)) is None
    assert FEATURES.image_area == 4096
