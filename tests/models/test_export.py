"""A loaded export scores all candidates in one run, and can always fall back to base routing."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import helper

from models import Cancel, Export, load_export
from models._export import LATE_SECONDS, Predictor
from models._lanes import Array
from models._manifest import Manifest
from models._methods import Roles
from models.errors import PredictionCancelled, PredictionFailed
from router import ExportInfo, Features, Lane, Plan, base_candidate
from router.pixels import Sample
from tests import exports
from tests.exports import write_export
from vecroute._entry import pack_entry, unpack_entry

FEATURES = Features(edge_density=0.2, complexity_score=0.4, image_area=65536.0)
SAMPLE = Sample(FEATURES, np.full((20, 30, 4), 128, dtype=np.uint8))
INFO = ExportInfo(name="fake", version="1", digest="0" * 64)


class FakeLane:
    """Answers what it was given, and counts its runs."""

    name: Lane = "onnx"
    input_names = exports.INPUT_NAMES
    vector_width = None

    def __init__(self, answer: Any) -> None:
        self.answer, self.runs = answer, 0

    def run(self, inputs: Mapping[str, Array], cancel: Cancel | None = None) -> Array:
        self.runs += 1
        return np.asarray([self.answer] * len(inputs["plans"]), dtype=np.float32)


def fake(*answer: float, **change: Any) -> tuple[Export, FakeLane]:
    info = exports.manifest({}, name="fake", version="1", created="2026-01-01T00:00:00Z") | change
    lane = FakeLane(answer)
    return Export(INFO, Roles(), Predictor(lane, msgspec.convert(info, Manifest))), lane


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return the linear export."""
    root = tmp_path_factory.mktemp("export")
    return load_export(exports.write_export(root / "a"), staging=root / "staging", defaults=None)


def test_a_prediction_holds_what_the_model_says_of_each_candidate(export: Export) -> None:
    prediction = export.predict(SAMPLE)
    assert prediction.lane == "onnx"
    assert prediction.export == export.info
    assert prediction.fallback_reason == ""
    assert prediction.prediction_seconds > 0
    assert [(c.method, c.plan) for c in prediction.candidates] == export.candidates(FEATURES)
    features = [
        (FEATURES.complexity_score or 0) - 0.5,
        0.0,
        (FEATURES.edge_density or 0) - 0.1,
        np.log1p(65536.0) - 11.0,
    ]
    standard: Array = (np.array([features]) / np.array([[0.2, 2.0, 0.1, 1.5]])).astype(np.float32)
    premultiplied = np.full((1, 4, 8, 8), (128 / 255 - 0.5) / 0.25, dtype=np.float32)
    codes = {"spline": 0, "polygon": 1, "none": 2, "smooth": 2}  # the export does not know smooth outlines
    plans = np.array(
        [[c.plan.upscale / 4, codes[c.plan.mode], exports.METHODS.index(c.method)] for c in prediction.candidates],
        dtype=np.float32,
    )
    out = exports.expected(standard, premultiplied, plans)
    for candidate, row in zip(prediction.candidates, out.tolist(), strict=True):
        assert candidate.quality == pytest.approx(min(row[0], 1.0), abs=1e-5)
        assert candidate.quality_error == pytest.approx(max(row[1], 0.0), abs=1e-5)
        assert candidate.seconds == pytest.approx(np.exp(row[2]), rel=1e-4)
        assert candidate.seconds_high == pytest.approx(np.exp(row[3]), rel=1e-4)
        assert candidate.svg_bytes == pytest.approx(np.exp(row[4]), rel=1e-4)
        assert candidate.svg_bytes_high == pytest.approx(np.exp(row[5]), rel=1e-4)


def test_all_candidates_are_scored_in_one_run() -> None:
    export, lane = fake(0.9, 0.02, -3, -2, 8, 9)
    assert len(export.predict(SAMPLE).candidates) > 1
    assert lane.runs == 1


@pytest.mark.parametrize("answer", [(1.3, -0.1), (-0.2, -0.1)], ids=["too good", "too bad"])
def test_quality_and_error_stay_in_their_range(answer: tuple[float, float]) -> None:
    candidate = fake(*answer, -3, -2, 8, 9)[0].predict(SAMPLE).candidates[0]
    assert candidate.quality in (0.0, 1.0)
    assert candidate.quality_error == 0.0


def test_an_upper_bound_is_never_below_its_estimate() -> None:
    candidate = fake(0.9, 0.02, -2, -3, 9, 8)[0].predict(SAMPLE).candidates[0]
    assert candidate.seconds_high == candidate.seconds
    assert candidate.svg_bytes_high == candidate.svg_bytes


def test_without_an_upper_bound_the_base_candidate_lends_its_margin() -> None:
    export, _ = fake(0.9, 0.5, outputs={"quality": 0, "seconds": 1}, output_transforms={})
    candidate = export.predict_plan(SAMPLE, "performance", Plan())
    base = base_candidate("performance", Plan(), FEATURES)
    assert candidate.seconds == 0.5
    assert candidate.seconds_high == pytest.approx(0.5 * base.seconds_high / base.seconds)
    assert candidate.svg_bytes == pytest.approx(base.svg_bytes)


def test_an_absurd_exponent_stays_finite() -> None:
    assert np.isfinite(fake(0.9, 0.02, 1e30, 1e30, 1e30, 1e30)[0].predict(SAMPLE).candidates[0].seconds)


@pytest.mark.parametrize("column", range(len(exports.OUTPUTS)))
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_answer_that_is_no_number_fails_the_prediction(column: int, value: float) -> None:
    answer = [0.9, 0.02, -3.0, -2.0, 8.0, 9.0]
    answer[column] = value
    export, _ = fake(*answer)
    with pytest.raises(PredictionFailed, match="no number"):
        export.predict(SAMPLE)
    assert export.predict_base(FEATURES, "the predictor failed").candidates


def test_an_answer_with_too_few_columns_fails_the_prediction() -> None:
    with pytest.raises(PredictionFailed, match="answered"):
        fake(0.9)[0].predict(SAMPLE)


def test_a_model_that_fails_on_one_image_serves_the_next(tmp_path: Path) -> None:
    """The square root is no number for images far simpler than the mean."""
    weights = {"w": np.ones((len(exports.FEATURES), 1), np.float32), "one": np.full((1, 1), 2.0, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["features", "w"], ["sum"]),
        helper.make_node("Add", ["sum", "one"], ["shifted"]),
        helper.make_node("Sqrt", ["shifted"], ["root"]),
        helper.make_node("ReduceMean", ["plans"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Add", ["root", "mean"], ["out"]),
    ]
    inputs: dict[str, exports.Shape] = {"features": (1, len(exports.FEATURES)), "plans": ("N", len(exports.PARAMETERS))}

    def quality_only(info: dict[str, Any]) -> None:
        del info["inputs"][1]
        info.update(outputs={"quality": 0}, output_transforms={})

    model = exports.onnx_bytes(nodes, inputs, {"out": ("N", 1)}, weights)
    made = exports.write_export(
        tmp_path / "a", files={"quality_predictor.onnx": model}, golden=False, change=quality_only
    )
    export = load_export(made, defaults=None)
    assert export.lane == "onnx"
    with pytest.raises(PredictionFailed):
        export.predict(Sample(Features(image_area=1.0)))
    assert export.predict(SAMPLE).lane == "onnx"


def test_features_alone_are_enough(export: Export) -> None:
    prediction = export.predict(Sample(Features(edge_density=0.2)))
    assert prediction.lane == "onnx"
    assert len(prediction.candidates) == len(export.candidates(Features(edge_density=0.2)))


def test_base_routing_asks_no_predictor() -> None:
    export, lane = fake(0.9, 0.02, -3, -2, 8, 9)
    prediction = export.predict_base(FEATURES, "because")
    assert lane.runs == 0
    assert (prediction.lane, prediction.fallback_reason, prediction.export) == ("base", "because", INFO)
    assert prediction.candidates == tuple(base_candidate(m, p, FEATURES) for m, p in export.candidates(FEATURES))


def test_one_plan_is_predicted_as_among_the_others(export: Export) -> None:
    for candidate in export.predict(SAMPLE).candidates:
        alone = export.predict_plan(SAMPLE, candidate.method, candidate.plan)
        assert alone.quality == pytest.approx(candidate.quality, abs=1e-6)
        assert alone.plan == candidate.plan


def test_without_a_predictor_a_plan_gets_the_base_numbers() -> None:
    export = Export(INFO, Roles())
    assert export.predict_plan(SAMPLE, "ppo", Plan()) == base_candidate("ppo", Plan(), FEATURES)


def test_a_cancelled_prediction_says_so(export: Export) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(PredictionCancelled):
        export.predict(SAMPLE, cancel=cancel)
    with pytest.raises(PredictionCancelled):
        export.predict_plan(SAMPLE, "performance", Plan(), cancel=cancel)
    assert export.predict(SAMPLE).lane == "onnx"


def test_a_late_prediction_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    export, _ = fake(0.9, 0.02, -3, -2, 8, 9)
    for taken, late in ((LATE_SECONDS * 0.9, False), (LATE_SECONDS * 1.1, True)):
        ticks = iter((100.0, 100.0 + taken))
        monkeypatch.setattr("models._export.time.perf_counter", lambda ticks=ticks: next(ticks))
        prediction = export.predict(SAMPLE)
        assert prediction.prediction_seconds == pytest.approx(taken)
        assert prediction.late is late


def test_many_threads_predict_as_one_does(export: Export) -> None:
    samples = [Sample(Features(edge_density=i / 50, image_area=100.0 + i), SAMPLE.picture) for i in range(50)]
    alone = [export.predict(sample) for sample in samples]
    barrier = threading.Barrier(4)

    def work(_: int) -> list[Any]:
        barrier.wait(10)
        return [export.predict(sample) for sample in samples]

    with ThreadPoolExecutor(4) as pool:
        for predictions in pool.map(work, range(4)):
            assert [p.candidates for p in predictions] == [p.candidates for p in alone]
            assert [p.base for p in predictions] == [p.base for p in alone]


def test_numbers_are_those_that_the_shared_cache_holds(tmp_path: Path) -> None:
    """Who decides from there must decide exactly as who predicted."""
    export = load_export(write_export(tmp_path / "one"), defaults=None)
    for prediction in (export.predict(SAMPLE), export.predict_base(FEATURES, "a reason")):
        packed = pack_entry(prediction, bytes(16), fingerprint=1, sequence=2, expiry=3)
        assert unpack_entry(packed, prediction.export, prediction.fallback_reason) == prediction
