"""Whatever the regressor says becomes a valid plan, or none."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import helper

from models._manifest import RegressorSpec
from models._regressor import Regressor
from router import Features
from tests import exports

SPEC = msgspec.convert(exports.manifest({}, name="", version="", created="")["regressor"], RegressorSpec)


def regressor(directory: Path, data: bytes, spec: RegressorSpec = SPEC) -> Regressor:
    (directory / "regressor.onnx").write_bytes(data)
    return Regressor(directory / "regressor.onnx", spec)


def answering(*values: float, with_area: bool = False) -> bytes:
    """Return a regressor that always answers these values; plus the fourth power of the area, if asked."""
    width = len(exports.FEATURES) + 1
    weights = np.zeros((width, len(values)), dtype=np.float32)
    weights[exports.FEATURES.index("image_area")] = 4.0 * with_area
    nodes = [
        helper.make_node("MatMul", ["X", "w"], ["xw"]),
        helper.make_node("Exp", ["xw"], ["power"]),
        helper.make_node("Add", ["power", "b"], ["out"]),
    ]
    constants = {"w": weights, "b": np.array([values], dtype=np.float32) - np.float32(1.0)}
    return exports.onnx_bytes(nodes, {"X": ("L", width)}, {"out": ("L", len(values))}, constants)


def test_one_plan_per_step_of_the_ladder(tmp_path: Path) -> None:
    plans = regressor(tmp_path, exports.regressor_onnx()).plans(Features(edge_density=0.1))
    assert [plan.upscale for plan in plans] == [1, 2, 3, 4]
    assert [plan.color_precision for plan in plans] == [5, 6, 7, 8]
    assert {plan.mode for plan in plans} == {"polygon"}


@pytest.mark.parametrize(
    ("values", "precision", "mode", "length"),
    [
        pytest.param((4.4, 0.4, 5.25), 4, "spline", 5.25, id="within bounds"),
        pytest.param((-90.0, -7.0, -1.0), 1, "spline", 3.5, id="below"),
        pytest.param((900.0, 7.0, 99.0), 8, "polygon", 10.0, id="above"),
    ],
)
def test_values_are_rounded_clamped_and_decoded(
    values: tuple[float, ...], precision: int, mode: str, length: float, tmp_path: Path
) -> None:
    plan = regressor(tmp_path, answering(*values)).plans(Features())[0]
    assert (plan.color_precision, plan.mode) == (precision, mode)
    assert isinstance(plan.color_precision, int)
    assert plan.length_threshold == pytest.approx(length)


def test_an_answer_that_is_no_number_is_no_plan(tmp_path: Path) -> None:
    built = regressor(tmp_path, answering(4.0, 0.0, 5.0, with_area=True))
    assert built.plans(Features(image_area=100.0)) != ()
    assert built.plans(Features(image_area=1e300)) == ()


def test_a_regressor_with_another_number_of_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="per parameter"):
        regressor(tmp_path, answering(4.0))
