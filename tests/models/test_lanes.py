"""Both lanes answer the same; a running ONNX model can be stopped, from any thread."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from models._lanes import LANES, Array, Cancel, OnnxLane, PredictorLane, session
from models.errors import PredictionCancelled, PredictionFailed
from tests import exports

FILES = {
    "onnx": ("model.onnx", exports.linear_onnx),
    "torchscript": ("model.pt", exports.linear_torchscript),
}


def lane(name: str, directory: Path) -> PredictorLane:
    file, make = FILES[name]
    (directory / file).write_bytes(make(0.0))
    return LANES[name](directory / file)


def inputs(plans: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "features": rng.normal(size=(1, len(exports.FEATURES))).astype(np.float32),
        "thumbnail": rng.normal(size=(1, 4, exports.THUMBNAIL, exports.THUMBNAIL)).astype(np.float32),
        "plans": rng.uniform(size=(plans, len(exports.PARAMETERS))).astype(np.float32),
    }


@pytest.mark.parametrize("name", LANES)
def test_a_lane_scores_all_plans_in_one_run(name: str, tmp_path: Path) -> None:
    built, given = lane(name, tmp_path), inputs(8)
    assert built.name == name
    assert built.input_names == exports.INPUT_NAMES
    output = built.run(given)
    assert output.shape == (8, len(exports.OUTPUTS))
    np.testing.assert_allclose(output, exports.expected(**given), rtol=1e-5)


@pytest.mark.parametrize("name", LANES)
def test_inputs_that_do_not_fit_fail_the_prediction(name: str, tmp_path: Path) -> None:
    given = inputs(2) | {"features": np.zeros((1, 99), dtype=np.float32)}
    with pytest.raises(PredictionFailed, match=name):
        lane(name, tmp_path).run(given)


@pytest.mark.parametrize("name", LANES)
def test_a_run_that_was_cancelled_before_does_not_begin(name: str, tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(PredictionCancelled):
        lane(name, tmp_path).run(inputs(2), cancel)


@pytest.mark.parametrize("name", LANES)
def test_one_lane_serves_many_threads(name: str, tmp_path: Path) -> None:
    built = lane(name, tmp_path)
    cases = [inputs(1 + seed % 8, seed) for seed in range(64)]
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(built.run, cases))
    for given, output in zip(cases, outputs, strict=True):
        np.testing.assert_allclose(output, exports.expected(**given), rtol=1e-5)


class Watched(Cancel):
    """A cancel that tells when its run has taken 50 ms of processor time, so that it is surely under way."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self._clock = 0

    @contextmanager
    def watching(self, options: Any) -> Iterator[None]:
        with super().watching(options):
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
            self.begun.set()
            yield

    def wait_running(self) -> None:
        assert self.begun.wait(10)
        start = time.clock_gettime(self._clock)
        deadline = time.monotonic() + 10
        while time.clock_gettime(self._clock) < start + 0.05:
            assert time.monotonic() < deadline
            threading.Event().wait(0.001)


def test_cancel_stops_a_running_model_and_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "slow.onnx").write_bytes(exports.slow_predictor())
    slow, cancel, given = OnnxLane(tmp_path / "slow.onnx"), Watched(), inputs(8)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(slow.run, given, cancel)
        cancel.wait_running()
        again = Watched()
        second = pool.submit(slow.run, given, again)
        cancel.cancel()
        cancel.cancel()
        with pytest.raises(PredictionCancelled):
            running.result(timeout=10)
        assert cancel.cancelled
        again.wait_running()
        assert not second.done()
        again.cancel()
        with pytest.raises(PredictionCancelled):
            second.result(timeout=10)


def test_cancel_after_the_run_changes_nothing(tmp_path: Path) -> None:
    built, cancel = lane("onnx", tmp_path), Cancel()
    output = built.run(inputs(2), cancel)
    cancel.cancel()
    np.testing.assert_array_equal(built.run(inputs(2)), output)


def test_an_answer_that_came_too_late_is_dropped_by_torchscript(tmp_path: Path) -> None:
    class Late(Cancel):
        asked = 0

        @property
        def cancelled(self) -> bool:
            self.asked += 1
            return self.asked > 1

    with pytest.raises(PredictionCancelled):
        lane("torchscript", tmp_path).run(inputs(2), Late())


def test_a_model_with_a_batch_of_one_is_asked_row_by_row(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceSum", ["x"], ["out"], axes=None, keepdims=1)]
    (tmp_path / "one.onnx").write_bytes(exports.onnx_bytes(nodes, {"x": (1, 3)}, {"out": (1, 1)}, {}))
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert OnnxLane(tmp_path / "one.onnx").run({"x": rows}).tolist() == [[3.0], [12.0], [21.0], [30.0]]


def test_an_answer_without_columns_becomes_one_column(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["out"], axes=[1], keepdims=0)]
    (tmp_path / "flat.onnx").write_bytes(exports.onnx_bytes(nodes, {"x": ("N", 2)}, {"out": ("N",)}, {}))
    built = OnnxLane(tmp_path / "flat.onnx")
    assert built.vector_width == 2
    assert built.run({"x": np.ones((3, 2), dtype=np.float32)}).shape == (3, 1)


def test_sessions_use_one_thread_and_never_spin(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(exports.linear_onnx())
    options = session(tmp_path / "model.onnx").get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
