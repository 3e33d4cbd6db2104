"""An export is loaded whole and checked, or it says why not and what serves instead."""

import io
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from models import builtin, load_export
from models._lanes import LANES
from models._load import load_policy_model
from models.errors import ExportError, ExportUnverified, FileDamaged, GoldenMismatch
from router import Features
from router.pixels import Sample
from tests import exports

ONNX, PT = "quality_predictor.onnx", "quality_predictor.pt"
BOTH = ("onnx", "torchscript")


@pytest.mark.parametrize("lane", LANES)
def test_a_whole_export_serves_verified(lane: str, tmp_path: Path, staging: Path) -> None:
    export = load_export(exports.write_export(tmp_path / "a", lanes=[lane]), defaults=None)
    assert (export.lane, export.problems, export.degraded) == (lane, (), False)
    assert export.info.verified
    assert (export.info.name, export.info.version) == ("test", "1")
    assert export.info.metrics == {"pearson": 0.9, "mae": 0.01}
    assert f"lane={lane}" in repr(export)
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]], ids=" first, then ".join)
def test_the_first_lane_of_the_order_serves(order: tuple[str, ...], tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a", lanes=BOTH)
    assert load_export(directory, lanes=order, defaults=None).lane == order[0]


def test_both_lanes_predict_the_same(tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a", lanes=BOTH)
    sample = Sample(Features(edge_density=0.2), np.full((9, 9, 4), 77, dtype=np.uint8))
    first, second = (load_export(directory, lanes=[lane], defaults=None).predict(sample) for lane in BOTH)
    assert [c.plan for c in first.candidates] == [c.plan for c in second.candidates]
    assert [c.quality for c in first.candidates] == pytest.approx([c.quality for c in second.candidates], abs=1e-5)


NAN = float("nan")


def _fewer_columns(info: dict[str, Any]) -> None:
    info["outputs"] = {"quality": 9}
    info["output_transforms"] = {}


def _renamed_input(info: dict[str, Any]) -> None:
    info["inputs"][0]["name"] = "numbers"


def _fewer_features(info: dict[str, Any]) -> None:
    info["inputs"][0] |= {"names": ["edge_density"], "log1p": [], "mean": [0.0], "std": [1.0]}


def _missing_code(info: dict[str, Any]) -> None:
    info["inputs"][2]["parameters"][2]["codes"] = {"performance": 0}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        pytest.param({"files": {ONNX: b"not a model"}}, "lane onnx does not serve", id="no onnx at all"),
        pytest.param({"files": {ONNX: exports.linear_onnx(0.2)}}, "golden samples differ by 0.2", id="other values"),
        pytest.param({"files": {ONNX: exports.linear_onnx(NAN)}, "golden": False}, "no number", id="no numbers"),
    ],
)
def test_a_broken_lane_gives_way_to_the_next(made: dict[str, Any], words: str, tmp_path: Path) -> None:
    export = load_export(exports.write_export(tmp_path / "a", lanes=BOTH, **made), defaults=None)
    assert export.lane == "torchscript"
    assert not export.degraded
    assert words in export.problems[0]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        pytest.param({"files": {ONNX: b""}}, "lane onnx does not serve", id="empty file"),
        pytest.param({"change": _fewer_columns}, "answered", id="columns that are not there"),
        pytest.param(
            {"change": _renamed_input, "golden": False}, "the manifest lists numbers", id="input of another name"
        ),
        pytest.param({"change": _fewer_features}, "features", id="fewer features than the model takes"),
        pytest.param({"change": _missing_code}, "no code for method", id="no code for a method"),
        pytest.param({"lanes": ["torchscript"], "files": {PT: b"PK"}}, "lane torchscript", id="no torchscript"),
    ],
)
def test_with_no_lane_left_base_routing_serves_and_says_why(made: dict[str, Any], words: str, tmp_path: Path) -> None:
    export = load_export(exports.write_export(tmp_path / "a", **made), defaults=None)
    assert export.lane == "base"
    assert export.degraded
    assert words in export.problems[0]
    prediction = export.predict(Sample(Features()))
    assert prediction.lane == "base"
    assert prediction.fallback_reason == export.problems[0]
    assert prediction.base


def test_other_values_than_the_golden_ones_refuse_the_export(tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a", files={ONNX: exports.linear_onnx(0.2)})
    with pytest.raises(GoldenMismatch, match=r"allowed is 0\.0001"):
        load_export(directory, defaults=None)


def test_golden_samples_of_another_shape_do_not_fit_the_lane(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    exports.golden_npz(tmp_path / "a")
    with np.load(tmp_path / "a" / "golden.npz") as arrays:
        golden = _npz(tmp_path / "golden.npz", **dict(arrays) | {"out": np.zeros((2, 6), dtype=np.float32)})
    export = load_export(exports.write_export(tmp_path / "a", files={"golden.npz": golden}), defaults=None)
    assert export.lane == "base"
    assert "golden output has shape (2, 6)" in export.problems[0]


def test_golden_values_that_are_no_numbers_refuse_the_export(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    golden = exports.golden_npz(tmp_path / "a", NAN)
    with pytest.raises(GoldenMismatch, match="nan"):
        load_export(exports.write_export(tmp_path / "a", files={"golden.npz": golden}), defaults=None)


def _npz(path: Path, **arrays: Any) -> bytes:
    np.savez(path, **arrays)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        pytest.param(None, "no npz archive", id="no archive"),
        pytest.param({"out": np.zeros(3)}, "no array in_features", id="no inputs"),
        pytest.param({"out": np.array([{}], dtype=object)}, "golden.npz", id="objects to unpickle"),
    ],
)
def test_golden_samples_that_cannot_be_read_refuse_the_export(arrays: Any, words: str, tmp_path: Path) -> None:
    golden = b"no archive" if arrays is None else _npz(tmp_path / "golden.npz", **arrays)
    directory = exports.write_export(tmp_path / "a", files={"golden.npz": golden})
    with pytest.raises(FileDamaged, match=words):
        load_export(directory, defaults=None)


def _npy(header: str) -> bytes:
    """Return an npz archive whose only array has this header and hardly any data."""
    line = header.ljust(117).encode() + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("out.npy", b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + b"0000")
    return buffer.getvalue()


def _bare_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def _spoilt_deflate() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, out=np.random.default_rng(1).normal(size=(500, 6)))
    data = bytearray(buffer.getvalue())
    data[300:340] = b"\xff" * 40
    return bytes(data)


@pytest.mark.parametrize(
    ("golden", "words"),
    [
        pytest.param(_bare_array(), "no npz archive", id="an array without a name"),
        pytest.param(_spoilt_deflate(), "decompressing", id="deflated data that is none"),
        pytest.param(_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,"), "EOF", id="half a header"),
        pytest.param(
            _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3000000000000,)}"), "allocate", id="terabytes"
        ),
    ],
)
def test_a_damaged_golden_archive_refuses_the_export(golden: bytes, words: str, tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a", files={"golden.npz": golden})
    with pytest.raises(FileDamaged, match=words):
        load_export(directory, defaults=None)


def test_a_role_that_takes_no_input_is_told(tmp_path: Path) -> None:
    constant = exports.onnx_bytes(
        [helper.make_node("Identity", ["w"], ["out"])], {}, {"out": (4, 3)}, {"w": np.zeros((4, 3), np.float32)}
    )
    files = dict.fromkeys(("base_forest.onnx", "plan_regressor.onnx", ONNX), constant)
    export = load_export(exports.write_export(tmp_path / "a", files=files), defaults=None)
    assert export.lane == "base"
    assert [("no input" in problem) for problem in export.problems] == [True, True, True]


def test_without_torch_the_torchscript_lane_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = exports.write_export(tmp_path / "a", lanes=["torchscript"])
    monkeypatch.setitem(sys.modules, "torch", None)
    export = load_export(directory, defaults=None)
    assert export.lane == "base"
    assert "install it or export another lane" in export.problems[0]


def test_a_lane_that_is_not_allowed_does_not_serve(tmp_path: Path) -> None:
    export = load_export(exports.write_export(tmp_path / "a"), lanes=["torchscript"], defaults=None)
    assert export.lane == "base"
    assert "the settings allow torchscript" in export.problems[0]


def test_an_export_without_a_predictor_serves_its_forest(tmp_path: Path) -> None:
    export = load_export(exports.write_export(tmp_path / "a", lanes=[]), require_verified=True, defaults=None)
    assert (export.lane, export.problems, export.degraded) == ("base", (), False)
    assert export.info.verified
    prediction = export.predict(Sample(Features()))
    assert set(prediction.base) == set(exports.METHODS)
    assert prediction.fallback_reason == "the export has no predictor"


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({"golden": False}, id="no golden samples"),
        pytest.param({"change": lambda info: info["files"][ONNX].pop("bytes")}, id="no size"),
    ],
)
def test_what_cannot_be_checked_serves_unverified_or_is_refused(made: dict[str, Any], tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a", **made)
    export = load_export(directory, defaults=None)
    assert export.lane == "onnx"
    assert not export.info.verified
    with pytest.raises(ExportUnverified):
        load_export(directory, require_verified=True, defaults=None)


def test_missing_roles_are_borrowed_from_the_default(tmp_path: Path, staging: Path) -> None:
    defaults = exports.write_export(tmp_path / "default", lanes=[])
    export = load_export(exports.write_export(tmp_path / "a", forest=False, regressor=False), defaults=defaults)
    lender = load_export(defaults, defaults=None)
    assert export.borrowed == {"base_forest": lender.info.digest, "plan_regressor": lender.info.digest}
    assert export.info.digest != lender.info.digest
    prediction = export.predict(Sample(Features()))
    assert set(prediction.base) == set(exports.METHODS)
    assert "regression" in {candidate.method for candidate in prediction.candidates}
    assert list(staging.iterdir()) == []


@pytest.mark.parametrize(("brought", "role"), [("regressor", "base_forest"), ("forest", "plan_regressor")])
def test_only_the_role_that_is_missing_is_borrowed(brought: str, role: str, tmp_path: Path) -> None:
    defaults = exports.write_export(tmp_path / "default")
    directory = exports.write_export(tmp_path / "a", forest=brought == "forest", regressor=brought == "regressor")
    export = load_export(directory, defaults=defaults)
    assert (list(export.borrowed), export.problems) == ([role], ())


def test_a_broken_role_is_told_and_borrowed(tmp_path: Path) -> None:
    defaults = exports.write_export(tmp_path / "default", lanes=[])
    files = {"base_forest.onnx": b"bark", "plan_regressor.onnx": b"noise"}
    directory = exports.write_export(tmp_path / "a", files=files)
    export = load_export(directory, defaults=defaults)
    assert export.lane == "onnx"
    assert set(export.borrowed) == {"base_forest", "plan_regressor"}
    assert [problem.split()[0] for problem in export.problems] == ["base_forest", "plan_regressor"]
    alone = load_export(directory, defaults=None)
    assert alone.predict(Sample(Features())).base == {}


def test_a_policy_is_loaded_tried_and_borrowed(tmp_path: Path, staging: Path) -> None:
    defaults = exports.write_export(tmp_path / "default", policy=True)
    lender = load_export(defaults, require_verified=True, defaults=None)
    assert lender.policy is not None
    assert lender.policy.data == exports.policy_onnx()
    assert lender.policy.digest == lender.info.digest
    export = load_export(exports.write_export(tmp_path / "a"), defaults=defaults)
    assert (export.policy, export.borrowed) == (lender.policy, {"policy": lender.info.digest})
    assert load_export(tmp_path / "a", defaults=None).policy is None
    assert list(staging.iterdir()) == []


def _other_policy_goldens(directory: Path) -> dict[str, bytes]:
    directory.mkdir()
    return {"policy_golden.npz": exports.policy_golden_npz(directory, 0.01)}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(lambda _: {"policy.onnx": b"no model"}, "policy does not serve", id="no model"),
        pytest.param(_other_policy_goldens, "golden samples differ by 0.01", id="other answers"),
    ],
)
def test_a_broken_policy_is_told_and_left_out(files: Any, words: str, tmp_path: Path) -> None:
    made = exports.write_export(tmp_path / "a", policy=True, files=files(tmp_path / "goldens"))
    export = load_export(made, defaults=None)
    assert (export.lane, export.policy) == ("onnx", None)
    assert words in export.problems[0]
    assert "ppo" not in {candidate.method for candidate in export.predict(Sample(Features())).candidates}


def test_a_policy_without_golden_samples_is_unverified(tmp_path: Path) -> None:
    directory = exports.write_export(
        tmp_path / "a", policy=True, change=lambda info: info["files"].pop("policy_golden.npz")
    )
    export = load_export(directory, defaults=None)
    assert export.policy is not None
    assert not export.info.verified


def test_the_policy_alone_is_loaded_from_an_export_or_the_default(tmp_path: Path) -> None:
    own = exports.write_export(tmp_path / "own", policy=True, version="own")
    lacking = exports.write_export(tmp_path / "lacking")
    defaults = exports.write_export(tmp_path / "default", policy=True)
    digests = {name: load_export(path, defaults=None).info.digest for name, path in (("own", own), ("d", defaults))}
    for directory, wanted in ((own, "own"), (lacking, "d"), (None, "d"), (tmp_path / "nowhere", "d")):
        found = load_policy_model(directory, defaults=defaults)
        assert found is not None
        assert found.digest == digests[wanted]
    assert load_policy_model(lacking, defaults=None) is None


def test_a_broken_default_is_told_and_does_no_harm(tmp_path: Path) -> None:
    defaults = exports.write_export(tmp_path / "default", lanes=[])
    (defaults / "base_forest.onnx").unlink()
    export = load_export(exports.write_export(tmp_path / "a", forest=False, regressor=False), defaults=defaults)
    assert export.lane == "onnx"
    assert "the default export cannot help out" in export.problems[0]
    assert {candidate.method for candidate in export.predict(Sample(Features())).candidates} == {
        "performance",
        "feature_mapping",
    }


def test_the_builtin_serves_with_nothing_on_disk(tmp_path: Path) -> None:
    export = builtin(defaults=tmp_path / "nothing")
    assert (export.lane, export.info.name, export.problems) == ("base", "builtin", ())
    prediction = export.predict(Sample(Features()))
    assert prediction.base == {}
    assert {candidate.method for candidate in prediction.candidates} == {"performance", "feature_mapping"}


def test_the_builtin_uses_the_forest_of_the_default(tmp_path: Path) -> None:
    export = builtin(defaults=exports.write_export(tmp_path / "default"))
    assert export.lane == "base"
    assert set(export.predict(Sample(Features())).base) == set(exports.METHODS)
    assert export.info.digest != builtin(defaults=None).info.digest


def test_a_loaded_export_needs_its_files_no_more(tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a", lanes=BOTH)
    loaded = [load_export(directory, lanes=[lane], defaults=None) for lane in BOTH]
    shutil.rmtree(directory)
    for export in loaded:
        assert export.predict(Sample(Features())).lane == export.lane


def test_a_directory_that_is_not_there_is_an_export_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        load_export(tmp_path / "nowhere", defaults=None)
