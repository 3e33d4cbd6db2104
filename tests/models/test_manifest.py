"""A manifest that contradicts itself cannot be built."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from models._manifest import FeaturesInput, UnknownFeatureName, decode_manifest
from tests import exports

Info = dict[str, Any]


def info() -> Info:
    """Return a valid manifest without its files' true hashes."""
    contents = {
        "quality_predictor.onnx": ("predictor", b"1"),
        "quality_predictor.pt": ("predictor", b"2"),
        "base_forest.onnx": ("base_forest", b"3"),
        "plan_regressor.onnx": ("plan_regressor", b"4"),
        "golden.npz": ("golden", b"5"),
    }
    return exports.manifest(contents, name="test", version="1", created="2026-01-02T03:04:05Z")


def decode(value: Info) -> Any:
    return decode_manifest(json.dumps(value).encode())


def test_a_full_manifest_is_read() -> None:
    manifest = decode(info())
    assert manifest.predictors() == {"onnx": "quality_predictor.onnx", "torchscript": "quality_predictor.pt"}
    assert manifest.created_utc() == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert isinstance(manifest.inputs[0], FeaturesInput)
    assert manifest.numeric_metrics() == {"pearson": 0.9, "mae": 0.01}


def test_a_time_without_a_zone_is_utc() -> None:
    assert decode(info() | {"created": "2026-01-02T03:04:05"}).created_utc().tzinfo is UTC


def test_metrics_that_are_no_numbers_are_left_out() -> None:
    metrics = {"pearson": 0.5, "families": ["a"], "nothing": None, "good": True, "count": 10**400}
    assert decode(info() | {"metrics": metrics}).numeric_metrics() == {"pearson": 0.5}


def test_keys_of_later_versions_are_ignored_at_the_top() -> None:
    assert decode(info() | {"notes": "later"}).name == "test"


def _file(name: str, **entry: Any) -> Callable[[Info], None]:
    return lambda value: value["files"].update({name: {"role": "predictor"} | entry})


def _input(index: int, **change: Any) -> Callable[[Info], None]:
    return lambda value: value["inputs"][index].update(change)


def _parameter(**parameter: Any) -> Callable[[Info], None]:
    return lambda value: value["inputs"][2]["parameters"].append(parameter)


def _forest(**change: Any) -> Callable[[Info], None]:
    return lambda value: value["forest"].update(change)


def _regressor(**change: Any) -> Callable[[Info], None]:
    return lambda value: value["regressor"].update(change)


def _plan_output(**output: Any) -> Callable[[Info], None]:
    return lambda value: value["regressor"]["parameters"].append(output)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        pytest.param(_file("../up.onnx"), "no plain file name", id="file above the directory"),
        pytest.param(_file("a/b.onnx"), "no plain file name", id="file in a subdirectory"),
        pytest.param(_file("model_info.json"), "no plain file name", id="manifest lists itself"),
        pytest.param(_file("x.onnx", sha256="ABC"), "64 lower-case hex", id="no hash at all"),
        pytest.param(_file("x.onnx"), "at most one .onnx", id="two onnx predictors"),
        pytest.param(_file("x.h5"), "at most one .onnx", id="predictor of another kind"),
        pytest.param(_file("x.npz", role="golden"), "more than one file plays", id="two golden files"),
        pytest.param(_input(0, name=""), "name of its own", id="input without a name"),
        pytest.param(_input(0, name="plans"), "name of its own", id="two inputs of one name"),
        pytest.param(_input(0, kind="smell"), "kind", id="unknown kind of input"),
        pytest.param(_input(0, men=[1]), "men", id="misspelt key of an input"),
        pytest.param(_input(0, std=[1.0, 1.0, 0.0, 1.0]), "std above 0", id="std of zero"),
        pytest.param(_input(0, mean=[1.0]), "need 4 values", id="too few means"),
        pytest.param(_input(0, log1p=["entropy"]), "does not use", id="logarithm of an absent feature"),
        pytest.param(_input(0, names=["entropy"] * 4, log1p=[]), "twice", id="a feature twice"),
        pytest.param(_input(1, size=0), "outside 1..1024", id="thumbnail of size 0"),
        pytest.param(_input(1, size=10**6), "outside 1..1024", id="thumbnail that fills the memory"),
        pytest.param(_input(1, scale=0), "not above 0", id="thumbnail scale of zero"),
        pytest.param(_input(1, channels="rgb"), "need 3 values", id="four means for three channels"),
        pytest.param(_parameter(name="colour"), "unknown", id="unknown plan parameter"),
        pytest.param(_parameter(name="palette", scale=0), "scale 0", id="plan scale of zero"),
        pytest.param(_parameter(name="matte"), "needs codes", id="text without codes"),
        pytest.param(lambda v: v["inputs"].pop(), "no input takes the plans", id="no plans"),
        pytest.param(lambda v: v["outputs"].pop("quality"), "quality is not listed", id="no quality"),
        pytest.param(lambda v: v["outputs"].update(joy=9), "'joy' is unknown", id="unknown output"),
        pytest.param(lambda v: v["outputs"].update(seconds=-1), "negative column", id="negative column"),
        pytest.param(lambda v: v["output_transforms"].update(seconds="sin"), "sin", id="unknown transform"),
        pytest.param(
            lambda v: v["golden"].update(tolerance=1.0), "outside (0, 0.01]", id="tolerance that checks nothing"
        ),
        pytest.param(lambda v: v.pop("forest"), "nothing says how to ask", id="forest without a description"),
        pytest.param(_forest(fill=[1.0]), "one fill value per feature", id="too few fill values"),
        pytest.param(_forest(fill=[1.0, -2.0, 1.0, 1.0]), "at least 0", id="fill value without a logarithm"),
        pytest.param(_forest(budgets=[1.0]), "4 targets and 4 budgets", id="another grid"),
        pytest.param(_forest(methods=["magic"]), "unknown method 'magic'", id="unknown method"),
        pytest.param(_regressor(ladder=[]), "1 to 8 are allowed", id="empty ladder"),
        pytest.param(_regressor(ladder=[0]), "leaves the bounds", id="upscale of zero"),
        pytest.param(_plan_output(name="length_threshold", high=3), "held to -inf..3", id="regressor below the bounds"),
        pytest.param(_plan_output(name="palette", low=9, high=8), "which is empty", id="regressor without a value"),
        pytest.param(_plan_output(name="upscale"), "cannot set", id="regressor sets upscale"),
        pytest.param(_plan_output(name="matte"), "needs codes", id="regressor sets text without codes"),
        pytest.param(_plan_output(name="palette", codes={"a": 1}), "none of its values", id="code for no number"),
        pytest.param(_plan_output(name="matte", codes={"shiny": 1}), "none of its values", id="code for no matte"),
        pytest.param(
            _plan_output(name="palette", codes={"257": 1}), "none of its values", id="code for a number out of bounds"
        ),
        pytest.param(lambda v: v.update(created="yesterday"), "created", id="no time"),
    ],
)
def test_a_lying_manifest_is_refused(lie: Callable[[Info], Any], words: str) -> None:
    value = info()
    lie(value)
    with pytest.raises(ValueError, match=r".") as caught:
        decode(value)
    assert words in str(caught.value)


@pytest.mark.parametrize("where", ["input", "forest", "regressor"])
def test_an_unknown_feature_is_told_by_name(where: str) -> None:
    value = info()
    target = value["inputs"][0] if where == "input" else value[where]
    target["names"] = ["smell", *target["names"][1:]]
    with pytest.raises(UnknownFeatureName) as caught:
        decode(value)
    assert caught.value.name == "smell"
