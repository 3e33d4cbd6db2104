"""The plan policy: what it is told, how its answer becomes a plan, and what cannot serve."""

from typing import Any

import msgspec
import numpy as np
import pytest

from models import PlanPolicy, PolicyModel, load_policy
from models._manifest import Move, PolicySpec
from models._policy import MEASURED, StateComposer, choice_count, likeliest, moved
from router import Features, Plan
from tests import exports

SPEC = msgspec.convert(exports.POLICY, PolicySpec, strict=False)
FEATURES = Features(edge_density=0.2, image_area=1e4, unique_colors=20.0, complexity_score=0.4)


class Made(msgspec.Struct, frozen=True):
    """An attempt."""

    plan: Plan
    quality: float = 0.9
    seconds: float = 0.01
    svg_bytes: int = 5000


def model(data: bytes | None = None, **changes: Any) -> PolicyModel:
    spec = msgspec.structs.replace(SPEC, **changes)
    return PolicyModel(spec=spec, data=exports.policy_onnx() if data is None else data, digest="d")


def test_it_names_the_likeliest_change_of_the_best_plan_and_then_stops() -> None:
    policy = PlanPolicy(model())
    start = Made(Plan(upscale=2, color_precision=5))
    second = policy.next_plan(FEATURES, [start], 0)
    assert second == Plan(upscale=3, palette=4, color_precision=5)
    assert policy.next_plan(FEATURES, [start, Made(second)], 0) is None


def test_a_plan_tried_before_gives_way_to_the_next_likeliest() -> None:
    policy = PlanPolicy(model())
    finest = Made(Plan(upscale=8, palette=4))
    assert policy.next_plan(FEATURES, [finest], 0) == Plan(upscale=8, palette=4, mode="spline")


def test_without_room_for_another_attempt_it_stops() -> None:
    made = [Made(Plan(palette=n)) for n in range(SPEC.attempts)]
    assert PlanPolicy(model()).next_plan(FEATURES, made, 0) is None


def test_nothing_untried_is_the_end() -> None:
    moves = (Move(name="stop", choices=("go", "stop")), Move(name="palette", choices=("keep", "4")))
    policy = PlanPolicy(model(_bias_only(4), moves=moves))
    assert policy.next_plan(FEATURES, [Made(Plan(palette=4))], 0) is None


def _bias_only(choices: int, value: float = 0.0) -> bytes:
    from onnx import helper

    nodes = [helper.make_node("MatMul", ["state", "w"], ["sw"]), helper.make_node("Add", ["sw", "b"], ["out"])]
    weights = {
        "w": np.zeros((exports.POLICY_WIDTH, choices), np.float32),
        "b": np.full((1, choices), value, np.float32),
    }
    return exports.onnx_bytes(nodes, {"state": ("N", exports.POLICY_WIDTH)}, {"out": ("N", choices)}, weights)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not a model", id="no model"),
        pytest.param(_bias_only(3), id="too few answers"),
        pytest.param(_bias_only(10, np.nan), id="no numbers"),
    ],
)
def test_what_does_not_load_is_no_policy(data: bytes) -> None:
    assert load_policy(model(data)) is None


def test_a_model_that_fails_later_stops() -> None:
    policy = load_policy(model())
    assert policy is not None
    policy._session = load_policy(model(_bias_only(10)))
    policy._session.run = lambda *_: [np.full((1, 10), np.nan)]
    assert policy.next_plan(FEATURES, [Made(Plan())], 0) is None


def test_the_state_holds_features_and_attempts_and_stays_near_0() -> None:
    compose = StateComposer(SPEC)
    slot = MEASURED + len(SPEC.parameters)
    assert compose.width == exports.POLICY_WIDTH == len(SPEC.names) + SPEC.attempts * slot
    state = compose(FEATURES, [Made(Plan(upscale=4, palette=16)), Made(Plan(), quality=1.0, seconds=1e9)], 1)
    edge = SPEC.names.index("edge_density")
    assert state[edge] == pytest.approx((0.2 - SPEC.mean[edge]) / SPEC.std[edge])
    first, second, third = (state[len(SPEC.names) + i * slot :][:slot] for i in range(3))
    assert first[[0, 1]].tolist() == [1, 0]
    assert second[[0, 1]].tolist() == [1, 1]
    assert first[MEASURED:].tolist() == [1.0, 0.25]
    assert not third.any()
    assert np.abs(state).max() <= 4
    assert second[2] < first[2]


def test_features_that_nobody_measured_become_0() -> None:
    assert StateComposer(SPEC)(Features(), [Made(Plan())], 0)[: len(SPEC.names)] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        pytest.param((0, 0, 0, 0), Plan(upscale=2), id="nothing"),
        pytest.param((1, 2, 2, 1), None, id="stop"),
        pytest.param((0, 1, 0, 0), Plan(upscale=1), id="coarser"),
        pytest.param((0, 2, 1, 0), Plan(upscale=3), id="finer"),
        pytest.param((0, 0, 2, 1), Plan(upscale=2, palette=4, mode="spline"), id="values and words"),
    ],
)
def test_choices_change_a_plan(choices: tuple[int, ...], wanted: Plan | None) -> None:
    assert moved(SPEC.moves, choices, Plan(upscale=2), FEATURES) == wanted


@pytest.mark.parametrize(("upscale", "choice"), [(1, 1), (8, 2)], ids=["coarsest", "finest"])
def test_beyond_the_ladder_nothing_changes(upscale: int, choice: int) -> None:
    assert moved(SPEC.moves, (0, choice, 0, 0), Plan(upscale=upscale), FEATURES) == Plan(upscale=upscale)


def test_an_image_too_large_for_its_step_can_only_get_coarser() -> None:
    large = Features(image_area=2e6, aspect_ratio=1.0)
    assert moved(SPEC.moves, (0, 2, 0, 0), Plan(upscale=3), large) == Plan(upscale=3)
    assert moved(SPEC.moves, (0, 1, 0, 0), Plan(upscale=3), large) == Plan(upscale=1)


def test_likeliest_first_then_one_change_at_a_time() -> None:
    moves = (Move(name="palette", choices=("keep", "2", "4")), Move(name="stop", choices=("go", "stop")))
    found = list(likeliest(moves, [0.5, 2.0, 1.0, 1.0, 0.9]))
    assert found == [[1, 0], [2, 0], [0, 0]]
    assert choice_count(moves) == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"names": ["nonsense"]}, "nonsense", id="unknown feature"),
        pytest.param({"mean": [0.0]}, "4 values", id="too few means"),
        pytest.param({"attempts": 1}, "1 attempts", id="one attempt"),
        pytest.param({"attempts": 99}, "99 attempts", id="too many attempts"),
        pytest.param({"parameters": [{"name": "method", "codes": {"ppo": 0}}]}, "method", id="method"),
        pytest.param({"moves": exports.POLICY["moves"][1:]}, "move stop", id="no stop"),
        pytest.param({"moves": exports.POLICY["moves"][:1]}, "at least one other", id="only stop"),
        pytest.param({"moves": exports.POLICY["moves"] * 2}, "each once", id="twice"),
        pytest.param({"moves": [{"name": "stop", "choices": ["stop"]}]}, "choices", id="another stop"),
        pytest.param({"moves": [{"name": "charm", "choices": ["keep", "1"]}]}, "'charm'", id="no parameter"),
        pytest.param({"moves": [{"name": "palette", "choices": ["4", "keep"]}]}, "needs keep", id="no keep"),
        pytest.param({"moves": [{"name": "palette", "choices": ["keep", "999"]}]}, "none of its", id="bounds"),
        pytest.param({"moves": [{"name": "mode", "choices": ["keep", "finer"]}]}, "none of its", id="no word"),
        pytest.param({"moves": [], "charm": 1}, "charm", id="unknown key"),
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        msgspec.convert(exports.POLICY | change, PolicySpec, strict=False)
