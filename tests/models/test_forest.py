"""The forest answers the whole request grid at once and never raises on an image."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import helper

from models._forest import Forest
from models._manifest import ForestSpec
from router import GRID_BUDGETS, GRID_TARGETS, Features, base_cell
from tests import exports

SPEC = msgspec.convert(exports.manifest({}, name="", version="", created="")["forest"], ForestSpec)


def forest(directory: Path, data: bytes, spec: ForestSpec = SPEC) -> Forest:
    (directory / "forest.onnx").write_bytes(data)
    return Forest(directory / "forest.onnx", spec)


def test_each_cell_is_a_distribution_over_the_methods(tmp_path: Path) -> None:
    table = forest(tmp_path, exports.forest_onnx()).probabilities(Features(edge_density=0.2))
    assert set(table) == set(exports.METHODS)
    assert all(len(row) == len(GRID_TARGETS) * len(GRID_BUDGETS) for row in table.values())
    for cell in zip(*table.values(), strict=True):
        assert sum(cell) == pytest.approx(1.0, abs=1e-5)


def test_cells_are_numbered_as_the_router_numbers_them(tmp_path: Path) -> None:
    """The test forest prefers `performance` on tight budgets and others on loose ones."""
    table = forest(tmp_path, exports.forest_onnx()).probabilities(Features())
    tight, loose = base_cell(0.9, 0.03), base_cell(0.9, None)
    assert table["performance"][tight] > 0.5 > table["performance"][loose]


def test_a_forest_with_another_number_of_methods_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one probability per method"):
        forest(tmp_path, exports.forest_onnx(2))


def test_a_forest_that_answers_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        forest(tmp_path, _root_of(shift=-1e30))


@pytest.mark.parametrize("shift", [-0.1, 1.1])
def test_a_forest_that_answers_no_probabilities_is_refused(shift: float, tmp_path: Path) -> None:
    weights = {"w": np.zeros((len(exports.FEATURES) + 2, 3), np.float32), "b": np.full((1, 3), shift, np.float32)}
    nodes = [helper.make_node("MatMul", ["X", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["out"])]
    with pytest.raises(ValueError, match="from 0 to 1"):
        forest(tmp_path, exports.onnx_bytes(nodes, {"X": ("N", len(exports.FEATURES) + 2)}, {"out": ("N", 3)}, weights))


def test_a_forest_that_fails_on_an_image_says_nothing(tmp_path: Path) -> None:
    built = forest(tmp_path, _root_of(shift=12.0))
    assert built.probabilities(Features()) != {}
    assert built.probabilities(Features(image_area=1e300)) == {}


def _root_of(shift: float) -> bytes:
    """Return a model that answers sqrt(shift - the logarithm of the area): no number for large images."""
    weights = np.zeros((len(exports.FEATURES) + 2, 3), dtype=np.float32)
    weights[exports.FEATURES.index("image_area")] = -1.0
    nodes = [
        helper.make_node("MatMul", ["X", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["sum"]),
        helper.make_node("Sqrt", ["sum"], ["out"]),
    ]
    constants = {"w": weights, "b": np.full((1, 3), shift, dtype=np.float32)}
    return exports.onnx_bytes(nodes, {"X": ("N", len(exports.FEATURES) + 2)}, {"out": ("N", 3)}, constants)
