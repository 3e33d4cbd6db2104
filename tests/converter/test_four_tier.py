"""The converter people call: routed, run, measured, and saved by another method when one dies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from converter import Converter, FourTierConverter, quality, run_plan
from converter.errors import ConversionTimedOut, ResultTooLarge
from models import DEFAULT_MODELS, HybridRouter, PolicyModel
from models._load import load_policy_model
from router import Constraints, Plan, Prediction, RoutingDecision, decide
from router.errors import InvalidConstraint, NotAnImage
from tests.converter.pictures import wordmark
from tests.daemon.pictures import noise
from tests.exports import write_export
from tests.router.builders import candidate, prediction
from tests.router.drawings import encoded, plain

PICTURE = encoded(wordmark())
LARGE = encoded(plain(side=2049))  # too many pixels at 8x
GOOD = candidate("performance", 0.90)
FINE = candidate("regression", 0.99, upscale=8)
FINER = candidate("feature_mapping", 0.97, upscale=8)


class Fixed:
    """A router that has already predicted; it decides as all do."""

    def __init__(self, prediction: Prediction) -> None:
        self.asked: list[Constraints] = []
        self._prediction = prediction

    def route(self, image: bytes, **wanted: Any) -> RoutingDecision:
        self.asked.append(Constraints(**wanted))
        return decide(self._prediction, self.asked[-1])


@pytest.fixture(scope="module")
def workers() -> Iterator[Converter]:
    with Converter(workers=1) as shared:
        yield shared


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("models") / "one", policy=True).parent


def test_the_result_carries_the_svg_its_figures_and_the_decision(workers: Converter, models: Path) -> None:
    router = HybridRouter(models)
    found = FourTierConverter(router, converter=workers).convert(PICTURE, quality_target=0.9)
    decision = found.prediction_metadata
    assert (decision.lane, decision.local_inference, decision.colab_trained) == ("onnx", True, True)
    assert (found.method, found.plan) == (decision.primary_method, decision.plan)
    assert set(decision.predicted_qualities) >= {"performance", "feature_mapping", "regression"}
    assert (found.steps, found.refinement) == ((), "")
    assert decision.plan == router.route(PICTURE, quality_target=0.9).plan
    assert found.svg == run_plan(wordmark(), found.plan).svg
    assert found.quality == pytest.approx(quality(found.svg, wordmark()))
    assert (found.width, found.height, found.svg_bytes) == (200, 64, len(found.svg))
    assert found.path_count == found.svg.count("<path")
    assert found.seconds > 0
    assert found.fallbacks == ()


def test_a_path_does_as_well_as_bytes(workers: Converter, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(PICTURE)
    converter = FourTierConverter(Fixed(prediction(GOOD)), converter=workers)
    assert converter.convert(path).svg == converter.convert(PICTURE).svg


def test_one_method_alone_when_asked_for(workers: Converter) -> None:
    router = Fixed(prediction(GOOD, candidate("regression", 0.99, upscale=2)))
    found = FourTierConverter(router, converter=workers).convert(PICTURE, method="performance", quality_target=0.99)
    assert found.method == "performance"
    assert router.asked == [Constraints(method="performance", quality_target=0.99)]


def test_the_next_method_is_tried_when_one_fails(workers: Converter) -> None:
    router = Fixed(prediction(GOOD, FINER, FINE))
    found = FourTierConverter(router, converter=workers).convert(LARGE)
    assert found.method == "performance"
    assert [line.split(":")[0] for line in found.fallbacks] == ["regression", "feature_mapping"]
    assert "lower its upscale" in found.fallbacks[0]
    assert found.prediction_metadata.primary_method == "performance"
    assert [wanted.method for wanted in router.asked] == [None, "feature_mapping", "performance"]


def test_a_method_asked_for_by_name_has_no_fallback(workers: Converter) -> None:
    converter = FourTierConverter(Fixed(prediction(GOOD, FINE)), converter=workers)
    with pytest.raises(ResultTooLarge):
        converter.convert(LARGE, method="regression")


def test_when_all_fail_the_last_error_is_raised(workers: Converter) -> None:
    converter = FourTierConverter(Fixed(prediction(FINER, FINE)), converter=workers)
    with pytest.raises(ResultTooLarge):
        converter.convert(LARGE)


def test_a_timeout_is_a_failure_like_any_other() -> None:
    slow = Fixed(prediction(candidate(upscale=6)))
    with (
        FourTierConverter(slow, converter=Converter(workers=1, timeout=0.05)) as converter,
        pytest.raises(ConversionTimedOut),
    ):
        converter.convert(noise(900))


class WithPolicy(Fixed):
    """A router that knows a policy."""

    def __init__(self, prediction: Prediction, policy: PolicyModel | None) -> None:
        super().__init__(prediction)
        self._policy = policy

    def plan_policy(self, decision: RoutingDecision) -> PolicyModel | None:
        assert decision.primary_method == "ppo"
        return self._policy


def test_ppo_refines_its_plan_and_tells_every_step(workers: Converter, models: Path) -> None:
    model = load_policy_model(models / "one", defaults=None)
    router = WithPolicy(prediction(GOOD, candidate("ppo", 0.97)), model)
    found = FourTierConverter(router, converter=workers).convert(PICTURE)
    assert (found.method, found.prediction_metadata.plan) == ("ppo", Plan())
    assert [step.plan for step in found.steps] == [Plan(), Plan(upscale=2, palette=4)]
    assert found.plan in [step.plan for step in found.steps]
    assert found.svg == run_plan(wordmark(), found.plan).svg
    assert found.quality == max(step.quality for step in found.steps) == pytest.approx(quality(found.svg, wordmark()))
    assert found.refinement == "the policy expects no gain"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param({"time_budget": 1e-6}, "no time for another step", id="time"),
        pytest.param({"quality_target": 0.01}, "the quality target is met", id="target"),
    ],
)
def test_what_the_request_allows_bounds_the_refinement(
    workers: Converter, models: Path, wanted: dict[str, float], reason: str
) -> None:
    model = load_policy_model(models / "one", defaults=None)
    router = WithPolicy(prediction(candidate("ppo", 0.97)), model)
    found = FourTierConverter(router, converter=workers).convert(PICTURE, **wanted)  # type: ignore[arg-type]
    assert (len(found.steps), found.refinement) == (1, reason)


def test_without_a_policy_ppo_runs_its_plan(workers: Converter) -> None:
    router = WithPolicy(prediction(candidate("ppo", 0.97)), None)
    found = FourTierConverter(router, converter=workers).convert(PICTURE)
    assert (found.method, found.plan, found.refinement) == ("ppo", Plan(), "no policy")


def test_decisions_of_a_router_that_knows_no_policy_use_the_packaged_ones(
    workers: Converter, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[Path, str]]()

    def find(directory: Path, digest: str) -> PolicyModel | None:
        asked.append((directory, digest))
        return load_policy_model(models / "one", defaults=None)

    monkeypatch.setattr("models.find_policy", find)
    converter = FourTierConverter(Fixed(prediction(candidate("ppo", 0.97))), converter=workers)
    found = [converter.convert(PICTURE) for _ in range(2)]
    assert [len(one.steps) for one in found] == [2, 2]
    assert asked == [(DEFAULT_MODELS, "")]


@pytest.mark.parametrize(
    ("image", "target", "error"),
    [
        pytest.param(b"", None, NotAnImage, id="no image"),
        pytest.param(PICTURE, 1.5, InvalidConstraint, id="target above 1"),
    ],
)
def test_what_the_caller_got_wrong_is_told(
    workers: Converter, models: Path, image: bytes, target: float | None, error: type[Exception]
) -> None:
    converter = FourTierConverter(HybridRouter(models), converter=workers)
    with pytest.raises(error):
        converter.convert(image, quality_target=target)


def test_without_arguments_the_packaged_models_serve(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models._hybrid.DEFAULT_MODELS", models)
    with FourTierConverter() as converter:
        found = converter.convert(PICTURE)
        assert found.prediction_metadata.export is not None
        assert found.prediction_metadata.export.name == "test"
        assert found.plan == Plan() or found.quality > 0.5
    with pytest.raises(RuntimeError):
        converter.convert(PICTURE)
