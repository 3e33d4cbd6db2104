"""The in-process router decides by the newest export, and by the forest when that is all there is."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models import DEFAULT_MODELS, HybridRouter, find_exports, load_export
from models.errors import PredictionFailed
from router import Constraints, Features, Host, Policy, decide
from router.errors import DamagedImage, ImageTooLarge, InvalidConstraint, InvalidFeatures, InvalidImage, NotAnImage
from router.pixels import MAX_BYTES, sample
from tests import exports


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of one export."""
    root = tmp_path_factory.mktemp("models")
    exports.write_export(root / "a")
    return root


@pytest.fixture(scope="module")
def image() -> bytes:
    """Return a PNG: a disc on transparent ground."""
    pixels = np.zeros((64, 96, 4), dtype=np.uint8)
    cv2.circle(pixels, (48, 32), 20, (30, 60, 200, 255), -1)
    return bytes(cv2.imencode(".png", pixels)[1])


def test_a_decision_is_what_decide_makes_of_the_export_s_prediction(models: Path, image: bytes) -> None:
    router = HybridRouter(models, host=lambda: Host(now=5.0))
    decision = router.route(image, quality_target=0.9, time_budget=0.2, svg_budget=50_000, policy="weighted")
    constraints = Constraints(quality_target=0.9, time_budget=0.2, svg_budget=50_000, policy="weighted")
    expected = decide(router.export.predict(sample(image)), constraints, Host(now=5.0))
    assert decision.plan == expected.plan
    assert decision.predicted_qualities == expected.predicted_qualities
    assert (decision.lane, decision.cache, decision.decided_at) == ("onnx", "local", 5.0)
    assert decision.local_inference
    assert decision.export == router.export.info


def test_bytes_and_paths_decide_alike(models: Path, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(image)
    router = HybridRouter(models)
    plans = [router.route(given).plan for given in (image, tmp_path / "logo.png", str(tmp_path / "logo.png"))]
    assert plans[0] == plans[1] == plans[2]


def test_features_measured_by_the_caller_are_enough(models: Path, image: bytes) -> None:
    router = HybridRouter(models)
    values = {"edgeDensity": 0.2, "image_area": 5000}
    by_name = router.route(values, quality_target=0.9)
    assert by_name.lane == "onnx"
    assert by_name.plan == router.route(Features(edge_density=0.2, image_area=5000.0), quality_target=0.9).plan


def test_route_base_asks_the_forest_alone(models: Path, image: bytes) -> None:
    decision = HybridRouter(models).route_base(image, time_budget=0.5)
    assert (decision.lane, decision.predicted_qualities, decision.estimated_quality) == ("base", {}, 0.85)
    assert decision.fallback_used
    assert "the forest picks" in decision.reasoning


def test_a_predictor_that_fails_leaves_the_forest_and_the_reason(
    models: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = HybridRouter(models)

    def fail(*_: Any, **__: Any) -> None:
        raise PredictionFailed("the onnx predictor failed: out of luck")

    monkeypatch.setattr(router.export, "predict", fail)
    decision = router.route(image)
    assert decision.lane == "base"
    assert "out of luck" in decision.fallback_reason


def test_preferences_and_policy_reach_the_decision(models: Path, image: bytes) -> None:
    router = HybridRouter(models, policy=Policy(name="weighted"))
    assert router.route(image).policy == "weighted"
    assert router.route(image, policy="constrained").policy == "constrained"
    assert router.route(image, preferred=["regression"], avoided=("performance",)).primary_method != "performance"


def test_a_request_may_name_its_method(models: Path, image: bytes) -> None:
    router = HybridRouter(models)
    for method in exports.METHODS:
        decision = router.route(image, method=method)
        assert (decision.primary_method, decision.fallback_methods) == (method, ())


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        pytest.param({"quality_target": 1.5}, InvalidConstraint, id="target above 1"),
        pytest.param({"time_budget": float("nan")}, InvalidConstraint, id="no budget"),
        pytest.param({"preferred": ["magic"]}, InvalidConstraint, id="unknown method"),
        pytest.param({"method": "magic"}, InvalidConstraint, id="unknown method asked for"),
        pytest.param({"qualty": 0.9}, TypeError, id="misspelt"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    wanted: Any, error: type[Exception], models: Path, image: bytes
) -> None:
    router = HybridRouter(models)
    for route in (router.route, router.route_base):
        with pytest.raises(error):
            route(image, **wanted)


def test_a_method_that_the_export_does_not_offer_is_refused(models: Path, image: bytes) -> None:
    router = HybridRouter(models)
    router.export = load_export(models / "a", defaults=None)  # alone it has no policy
    for route in (router.route, router.route_base):
        with pytest.raises(InvalidConstraint, match="one that the export offers"):
            route(image, method="ppo")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"", NotAnImage, id="empty"),
        pytest.param(b"<svg/>", NotAnImage, id="no raster image"),
        pytest.param(b"\x89PNG\r\n\x1a\n", InvalidImage, id="only a signature"),
    ],
)
def test_what_is_no_image_is_refused(data: bytes, error: type[Exception], models: Path) -> None:
    with pytest.raises(error):
        HybridRouter(models).route(data)


def test_half_an_image_is_refused(models: Path, image: bytes) -> None:
    with pytest.raises(DamagedImage):
        HybridRouter(models).route(image[: len(image) // 2])


def test_a_file_that_is_too_large_is_refused_unread(models: Path, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageTooLarge):
        HybridRouter(models).route(tmp_path / "large")


def test_a_fifo_or_device_is_refused_without_waiting(models: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            HybridRouter(models).route(path)


def test_features_that_nobody_knows_are_refused(models: Path) -> None:
    with pytest.raises(InvalidFeatures):
        HybridRouter(models).route({"smell": 1.0})


def test_without_an_export_every_image_still_gets_a_decision(image: bytes, tmp_path: Path) -> None:
    router = HybridRouter(tmp_path / "nothing")
    decision = router.route(image, quality_target=0.95, time_budget=0.1)
    assert (router.export.lane, decision.lane) == ("base", "base")
    assert "no export in" in router.problems[0]
    assert decision.fallback_used


def test_the_packaged_models_serve_by_default(image: bytes) -> None:
    router = HybridRouter()
    assert router.problems == () or not find_exports(DEFAULT_MODELS)
    assert router.route(image).export == router.export.info
