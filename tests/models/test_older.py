"""Exports of older notebooks load from a bare manifest, serve, and are shown as unverified."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import load_export
from models._lanes import LANES
from models._older import OLDER_PARAMETERS, Bare, older_inputs
from models._staging import describe
from models.errors import ExportUnverified, ManifestInvalid
from router import FEATURE_NAMES, Features, Plan, base_candidate
from router.pixels import Sample
from tests import exports

SIGNATURES = ("image+params", "vector")
SAMPLE = Sample(Features(edge_density=0.2, image_area=65536.0), np.full((20, 30, 4), 128, dtype=np.uint8))
PLAN = Plan(color_precision=5, upscale=2)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize(
    "said", [{}, {"signature": None}, {"accuracy": {"deep": [1]}}], ids=["nothing", "null", "other"]
)
def test_both_signatures_are_told_from_the_model(
    signature: str, lane: str, said: dict[str, Any], tmp_path: Path
) -> None:
    directory = exports.write_older_export(tmp_path / "old", signature=signature, lanes=[lane], info=said)
    export = load_export(directory, defaults=None)
    assert (export.lane, export.problems, export.info.verified) == (lane, (), False)
    candidate = export.predict_plan(SAMPLE, "performance", PLAN)
    assert candidate.quality == pytest.approx(exports.OLDER_QUALITY + 0.1 * 0.5, abs=1e-5)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_what_the_model_does_not_say_comes_from_the_base_candidate(signature: str, tmp_path: Path) -> None:
    info = {"signature": signature, "metrics": {"mae": 0.03}}
    export = load_export(exports.write_older_export(tmp_path / "old", signature=signature, info=info), defaults=None)
    base = base_candidate("performance", PLAN, SAMPLE.features)
    candidate = export.predict_plan(SAMPLE, "performance", PLAN)
    assert (candidate.seconds, candidate.seconds_high) == (base.seconds, base.seconds_high)
    assert (candidate.svg_bytes, candidate.svg_bytes_high) == (base.svg_bytes, base.svg_bytes_high)
    assert candidate.quality_error == pytest.approx(0.03)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_all_candidates_are_scored_with_and_without_a_picture(signature: str, tmp_path: Path) -> None:
    export = load_export(exports.write_older_export(tmp_path / "old", signature=signature), defaults=None)
    for sample in (SAMPLE, Sample(Features())):
        prediction = export.predict(sample)
        assert prediction.lane == "onnx"
        assert len(prediction.candidates) == len(export.candidates(sample.features))


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_setting_refuses_them(signature: str, tmp_path: Path) -> None:
    directory = exports.write_older_export(tmp_path / "old", signature=signature)
    with pytest.raises(ExportUnverified, match=r"no hash for quality_predictor\.onnx"):
        load_export(directory, require_verified=True, defaults=None)


def test_the_vector_takes_the_features_that_the_manifest_names(tmp_path: Path) -> None:
    names = list(FEATURE_NAMES[3 : 3 + exports.OLDER_FEATURES])
    for key in ("features", "feature_names"):
        info = {key: names, "mean": [1.0] * len(names), "std": [2.0] * len(names)}
        export = load_export(exports.write_older_export(tmp_path / key, signature="vector", info=info), defaults=None)
        assert export.lane == "onnx"


@pytest.mark.parametrize(
    ("info", "words"),
    [
        pytest.param({"features": ["smell"] * 10}, "smell", id="unknown feature"),
        pytest.param({"features": list(FEATURE_NAMES[:4])}, "vector|invalid|Got", id="too few features"),
        pytest.param({"signature": "image+params"}, "does not fit a model with 1 inputs", id="wrong signature"),
        pytest.param({"mean": [1.0]}, "need 10 values", id="too few means"),
    ],
)
def test_a_manifest_that_does_not_fit_leaves_base_routing(info: dict[str, Any], words: str, tmp_path: Path) -> None:
    directory = exports.write_older_export(tmp_path / "old", signature="vector", info=info)
    export = load_export(directory, defaults=None)
    assert export.lane == "base"
    assert export.degraded
    assert any(word in export.problems[0] for word in words.split("|"))


def test_a_signature_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match="signature"):
        describe(exports.write_older_export(tmp_path / "old", signature="vector", info={"signature": "poem"}))


def test_a_width_that_says_nothing_asks_for_names() -> None:
    class Model:
        input_names = ("x",)
        vector_width = None

    with pytest.raises(ValueError, match="needs the key features"):
        older_inputs(Bare(), Model())


def test_the_eight_parameters_have_the_scales_of_the_notebooks() -> None:
    scales = {parameter.name: parameter.scale for parameter in OLDER_PARAMETERS}
    assert scales == {
        "color_precision": 10,
        "corner_threshold": 100,
        "length_threshold": 10,
        "max_iterations": 20,
        "splice_threshold": 100,
        "path_precision": 16,
        "layer_difference": 32,
        "mode": 1,
    }


def test_who_a_bare_export_is_comes_from_its_manifest_or_its_directory(tmp_path: Path) -> None:
    info = {"model_name": "Old", "version": 3, "created": "2025-05-06T07:08:09Z", "trained_on": "logos"}
    told = describe(exports.write_older_export(tmp_path / "a", signature="vector", info=info)).manifest
    assert (told.name, told.version, told.trained_on) == ("Old", "3", "logos")
    assert told.created_utc() == datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)

    silent = exports.write_older_export(tmp_path / "b", signature="vector", info={"created": "in May", "name": 7})
    os.utime(silent / "model_info.json", (1e9, 1e9))
    told = describe(silent).manifest
    assert told.name == "b"
    assert told.created_utc() == datetime.fromtimestamp(1e9, UTC)


def test_a_predictor_under_another_name_is_found_if_it_is_the_only_one(tmp_path: Path) -> None:
    directory = exports.write_older_export(tmp_path / "old", signature="vector")
    (directory / "quality_predictor.onnx").rename(directory / "best_model.onnx")
    assert describe(directory).manifest.predictors() == {"onnx": "best_model.onnx"}
    (directory / "other.onnx").touch()
    assert describe(directory).manifest.predictors() == {}
