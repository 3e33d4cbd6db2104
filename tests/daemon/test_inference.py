"""Inference: the predictor's word within its deadline, else base routing's with the reason."""

import threading

import anyio
import pytest

from daemon.inference import Inference
from daemon.pool import Pool
from models import Export, load_export
from router import Features, Plan
from router.errors import NotAnImage
from router.pixels import Sample, sample
from tests.daemon.harness import wait_until
from tests.exports import slow_predictor, write_export
from vecroute.errors import Overloaded

pytestmark = pytest.mark.anyio
KNOWN = Sample(Features(entropy=2.0, image_area=4096.0))


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Export:
    directory = tmp_path_factory.mktemp("fast")
    return load_export(write_export(directory / "export", forest=False, regressor=False), staging=directory / "staging")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return an export whose predictor takes some hundred milliseconds in many steps."""
    directory = tmp_path_factory.mktemp("slow")
    export = write_export(
        directory / "export", golden=False, forest=False, files={"quality_predictor.onnx": slow_predictor(6)}
    )
    return load_export(export, staging=directory / "staging")


async def test_within_the_deadline_it_is_the_exports_own_answer(fast: Export) -> None:
    pool = Pool("test", 1, 4)
    prediction = await Inference(pool, 10, 10).predict(fast, lambda: KNOWN)
    assert prediction.lane == "onnx"
    assert prediction.candidates == fast.predict(KNOWN).candidates
    pool.close()


async def test_a_late_prediction_is_replaced_by_base_routing_and_its_run_stopped(slow: Export) -> None:
    pool = Pool("test", 1, 4)
    inference = Inference(pool, 10, 0.02)
    prediction = await inference.predict(slow, lambda: KNOWN)
    assert (prediction.lane, prediction.export) == ("base", slow.info)
    assert prediction.fallback_reason == "the prediction took longer than 20 ms"
    assert {c.method for c in prediction.candidates} == {m for m, _ in slow.candidates(KNOWN.features)}
    await wait_until(lambda: not pool.state().running)
    pool.close()


async def test_a_late_plan_gets_the_base_candidate(slow: Export) -> None:
    pool = Pool("test", 1, 4)
    scored = await Inference(pool, 10, 0.02).predict_plan(slow, lambda: KNOWN, "performance", Plan())
    assert (scored.lane, scored.candidate.quality) == ("base", 0.85)
    pool.close()


async def test_a_plan_of_the_callers_own_is_scored(fast: Export) -> None:
    pool = Pool("test", 1, 4)
    scored = await Inference(pool, 10, 10).predict_plan(fast, lambda: KNOWN, "performance", Plan(upscale=2))
    assert (scored.lane, scored.candidate) == ("onnx", fast.predict_plan(KNOWN, "performance", Plan(upscale=2)))
    pool.close()


async def test_a_cancelled_request_frees_its_slot(slow: Export) -> None:
    pool = Pool("test", 1, 4)
    inference = Inference(pool, 10, 10)
    with anyio.move_on_after(0.05):
        await inference.predict(slow, lambda: KNOWN)
    await wait_until(lambda: not pool.state().running)
    pool.close()


async def test_what_measuring_raises_is_the_callers(fast: Export) -> None:
    pool = Pool("test", 1, 4)
    with pytest.raises(NotAnImage):
        await Inference(pool, 10, 10).predict(fast, lambda: sample(b"text"))
    pool.close()


async def test_an_image_that_takes_too_long_to_measure_is_overload(fast: Export) -> None:
    pool, gate = Pool("test", 1, 4), threading.Event()

    def measure() -> Sample:
        gate.wait()
        return KNOWN

    with pytest.raises(Overloaded, match=r"not measured within 0\.02 s"):
        await Inference(pool, 0.02, 10).predict(fast, measure)
    gate.set()
    pool.close()


async def test_a_predictor_that_fails_gives_way_to_base_routing(fast: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.errors import PredictionFailed

    def fail(*_: object, **__: object) -> None:
        raise PredictionFailed("the predictor answered a value that is no number")

    monkeypatch.setattr(fast, "predict", fail)
    pool = Pool("test", 1, 4)
    prediction = await Inference(pool, 10, 10).predict(fast, lambda: KNOWN)
    assert (prediction.lane, prediction.fallback_reason) == ("base", "the predictor answered a value that is no number")
    pool.close()
