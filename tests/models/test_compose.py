"""Inputs are what the manifest says: normalised, repeated where asked, exactly 0 for what is not known."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from models._compose import FARTHEST, Composer, FeatureRow, plan_column
from models._manifest import Input, Parameter
from models.errors import PredictionFailed
from router import Features, Method, Plan
from router.pixels import Sample

PLANS: list[tuple[Method, Plan]] = [
    ("performance", Plan(upscale=1, mode="polygon")),
    ("regression", Plan(upscale=2, mode="spline", length_threshold=5.0)),
]
FEATURES: dict[str, Any] = {
    "name": "features",
    "kind": "features",
    "names": ["unique_colors", "entropy"],
    "log1p": ["unique_colors"],
    "mean": [3.0, 4.0],
    "std": [2.0, 0.5],
}
MODE = {"name": "mode", "codes": {"spline": 0, "polygon": 1}}
PLAN_INPUT: dict[str, Any] = {
    "name": "plans",
    "kind": "plans",
    "parameters": [
        {"name": "upscale", "scale": 4},
        {"name": "upscale", "scale": 2, "log2": True},
        {"name": "length_threshold", "scale": 10},
        MODE,
        {"name": "method", "codes": {"performance": 0, "regression": 2}, "scale": 2},
    ],
}
SAMPLE = Sample(Features(unique_colors=99.0, entropy=5.0))
FEATURE_VALUES = [(np.log(100.0) - 3.0) / 2.0, 2.0]
PLAN_VALUES = [[0.25, 0.0, 0.4, 1.0, 0.0], [0.5, 0.5, 0.5, 0.0, 1.0]]


def compose(sample: Sample, *inputs: dict[str, Any]) -> dict[str, Any]:
    parsed = msgspec.json.decode(json.dumps(inputs), type=tuple[Input, ...])
    return Composer(parsed).compose(sample, PLANS)


def thumbnail(**change: Any) -> dict[str, Any]:
    whole = {"name": "thumbnail", "kind": "thumbnail", "size": 2, "mean": [0.5] * 4, "std": [0.25] * 4}
    return whole | change


def test_features_are_normalised_once_for_all_candidates() -> None:
    composed = compose(SAMPLE, FEATURES)["features"]
    assert composed.dtype == np.float32
    np.testing.assert_allclose(composed, [FEATURE_VALUES], rtol=1e-6)


def test_a_missing_feature_is_exactly_zero() -> None:
    assert compose(Sample(Features()), FEATURES)["features"].tolist() == [[0.0, 0.0]]


def test_features_far_outside_stay_finite() -> None:
    composed = compose(Sample(Features(unique_colors=1e300, entropy=1e300)), FEATURES)["features"]
    assert np.isfinite(composed).all()
    assert composed[0, 1] == pytest.approx(FARTHEST)


def test_plans_are_one_row_per_candidate() -> None:
    np.testing.assert_allclose(compose(SAMPLE, PLAN_INPUT)["plans"], PLAN_VALUES, rtol=1e-6)


def test_a_value_without_a_code_fails_the_prediction() -> None:
    bare = {"name": "plans", "kind": "plans", "parameters": [{"name": "mode", "codes": {"spline": 0}}]}
    with pytest.raises(PredictionFailed, match="no code for mode 'polygon'"):
        compose(SAMPLE, bare)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        pytest.param({"polygon": 1.0, "none": 2.0, "smooth": 5.0}, 5.0, id="known"),
        pytest.param({"polygon": 1.0, "none": 2.0}, 2.0, id="outlines of pixels stand for it"),
        pytest.param({"polygon": 1.0}, 1.0, id="polygons stand for it"),
    ],
)
def test_an_export_older_than_a_mode_takes_it_for_what_it_is_made_of(codes: dict[str, float], expected: float) -> None:
    column = plan_column(Parameter(name="mode", codes=codes))
    assert column("performance", Plan(mode="smooth")) == expected


def test_no_other_parameter_has_stand_ins() -> None:
    column = plan_column(Parameter(name="matte", codes={"none": 2.0}))
    with pytest.raises(PredictionFailed, match="no code for matte 'binary'"):
        column("performance", Plan(mode="smooth"))


def test_repeated_inputs_have_a_row_per_candidate() -> None:
    composed = compose(SAMPLE, FEATURES | {"repeat": True}, thumbnail(repeat=True))
    assert composed["features"].shape == (2, 2)
    assert composed["thumbnail"].shape == (2, 4, 2, 2)


def test_a_flat_vector_is_features_then_plan() -> None:
    part = {key: value for key, value in FEATURES.items() if key != "name"}
    flat = compose(SAMPLE, {"name": "x", "kind": "flat", "parts": [part, PLAN_INPUT]})["x"]
    np.testing.assert_allclose(flat, [[*FEATURE_VALUES, *row] for row in PLAN_VALUES], rtol=1e-6)


def test_without_a_picture_the_thumbnail_is_zeros_and_says_so() -> None:
    composed = compose(SAMPLE, thumbnail(), {"name": "has", "kind": "has_thumbnail"})
    assert not composed["thumbnail"].any()
    assert composed["has"].tolist() == [[0.0]]


def test_a_thumbnail_is_premultiplied_rgba_in_planes() -> None:
    picture = np.zeros((4, 4, 4), dtype=np.uint8)
    picture[:, :2] = (255, 0, 0, 255)
    composed = compose(Sample(Features(), picture), thumbnail(), {"name": "has", "kind": "has_thumbnail"})
    planes = composed["thumbnail"]
    assert planes.shape == (1, 4, 2, 2)
    np.testing.assert_allclose(planes[0, 0], [[2, -2], [2, -2]])
    np.testing.assert_allclose(planes[0, 3], [[2, -2], [2, -2]])
    assert (planes[0, 1:3] == -2).all()
    assert composed["has"].tolist() == [[1.0]]


def test_an_rgb_thumbnail_lies_over_white() -> None:
    picture = np.zeros((2, 2, 4), dtype=np.uint8)
    picture[0] = (0, 0, 255, 255)
    picture[1] = (64, 0, 0, 128)
    rgb = thumbnail(channels="rgb", mean=[0.0] * 3, std=[1.0] * 3)
    planes = compose(Sample(Features(), picture), rgb)["thumbnail"][0]
    np.testing.assert_allclose(planes[:, 0, 0], [0, 0, 1])
    np.testing.assert_allclose(planes[:, 1, 0], [191 / 255, 127 / 255, 127 / 255], rtol=1e-6)


def test_a_row_fills_what_is_missing_before_the_logarithm() -> None:
    row = FeatureRow(("unique_colors", "entropy"), ("unique_colors",), (99.0, 4.0))
    assert row(Features(entropy=5.0)) == [pytest.approx(np.log(100.0)), 5.0]
    assert row(Features(unique_colors=0.0)) == [0.0, 4.0]
