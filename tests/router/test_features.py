"""Features given by callers are checked by name and value."""

import math
from typing import Any

import pytest

from router import FEATURE_NAMES, Features, features_from
from router.errors import InvalidFeatures

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param({}, "give at least one", id="nothing"),
        pytest.param({"colours": 3}, "colours: is unknown; known are", id="unknown name"),
        pytest.param({"entropy": "high"}, "entropy: is 'high'; give a number", id="text"),
        pytest.param({"entropy": True}, "entropy: is True; give a number", id="a truth is no number"),
        pytest.param({"entropy": None}, "entropy: is None; give a number", id="none"),
        pytest.param({"entropy": NAN}, "entropy: is nan; give a finite number", id="not a number"),
        pytest.param({"fileSize": INF}, "file_size: is inf; give a finite number", id="infinite"),
        pytest.param({"file_size": 10**400}, "file_size: is an integer too large", id="beyond a float"),
        pytest.param({"unique_colors": -1}, "unique_colors: is -1.0; no feature is below 0", id="negative"),
    ],
)
def test_features_from_refuses(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidFeatures, match=reason) as caught:
        features_from(values)
    assert caught.value.parameter == "features"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"edge_density": 0.5}, Features(edge_density=0.5), id="snake case"),
        pytest.param({"edgeDensity": 0.5}, Features(edge_density=0.5), id="camel case"),
        pytest.param({"softAlphaInterior": 0}, Features(soft_alpha_interior=0.0), id="three words, a whole number"),
        pytest.param({"entropy": 3.5, "fileSize": 9}, Features(entropy=3.5, file_size=9.0), id="two"),
    ],
)
def test_features_from_takes_both_spellings(values: dict[str, float], expected: Features) -> None:
    assert features_from(values) == expected


def test_vector_says_nan_where_nothing_was_measured() -> None:
    vector = Features(entropy=3.0).vector(("entropy", "file_size"))
    assert vector[0] == 3.0
    assert math.isnan(vector[1])


def test_vector_holds_every_feature_in_order_by_default() -> None:
    numbers = {name: float(i) for i, name in enumerate(FEATURE_NAMES)}
    assert Features(**numbers).vector() == list(numbers.values())


def test_the_features_of_the_design_are_there() -> None:
    design = "complexity_score unique_colors edge_density aspect_ratio file_size image_area color_variance"
    design += " gradient_strength text_probability geometric_score entropy corner_density alpha_fraction"
    assert FEATURE_NAMES[:13] == tuple(design.split())
