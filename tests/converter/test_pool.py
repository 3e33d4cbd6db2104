"""Conversions in workers that die, hang and are ended for real; the caller sees a typed error and the rest goes on."""

import itertools
import os
import signal
from concurrent.futures.process import BrokenProcessPool

import anyio
import cv2
import msgspec
import numpy as np
import pytest
import vtracer
from pebble import ProcessFuture

from converter import Conversion, Converter, Pending, _pool, convert_bytes, quality, refine_bytes, run_plan
from converter._refine import NO_POLICY, NO_TIME, POLICY_STOPPED, Limits
from converter.errors import ConversionFailed, ConversionTimedOut, ResultTooLarge
from models import PolicyModel
from models._manifest import PolicySpec
from router import Plan
from router.errors import DamagedImage, NotAnImage
from router.pixels import decode
from tests import exports
from tests.converter.pictures import wordmark
from tests.daemon.harness import wait_until
from tests.daemon.pictures import noise
from tests.router.drawings import encoded, plain

SLOW = Plan(upscale=8, filter_speckle=0, color_precision=8, layer_difference=0)  # minutes on noise
PICTURE = encoded(wordmark())


def workers(converter: Converter) -> list[int]:
    return list(converter._pool._pool_manager.worker_manager.workers)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def at_work(converter: Converter, pending: Pending[Conversion]) -> bool:
    """Tell whether the worker has taken the conversion and let go of the channel that all workers share."""
    channel = converter._pool._pool_manager.worker_manager.workers_channel
    assert channel is not None
    with channel.lock(block=False) as free:
        return bool(free) and pending.future.running()


def test_in_this_process_and_in_a_worker_the_same_comes_out() -> None:
    plan = Plan(upscale=2)
    here = convert_bytes(PICTURE, plan)
    with Converter(workers=1) as converter:
        there = converter.convert(PICTURE, plan)
    assert (here.svg, here.quality, here.path_count) == (there.svg, there.quality, there.path_count)
    assert (there.width, there.height) == (200, 64)
    assert there.svg_bytes == len(there.svg.encode())
    assert there.quality == pytest.approx(quality(there.svg, decode(PICTURE)))
    assert there.seconds > 0


def test_quality_is_measured_only_where_asked_for() -> None:
    found = convert_bytes(PICTURE, Plan(), measure=False)
    assert found.quality is None
    assert found.svg == run_plan(wordmark(), Plan()).svg


def test_typed_errors_cross_from_the_worker_and_it_lives_on() -> None:
    with Converter(workers=1) as converter:
        converter.convert(PICTURE, Plan())
        before = workers(converter)
        with pytest.raises(NotAnImage):
            converter.convert(b"no image", Plan())
        with pytest.raises(DamagedImage):
            converter.convert(PICTURE[: len(PICTURE) // 2], Plan())
        with pytest.raises(ResultTooLarge, match="lower its upscale"):
            converter.convert(encoded(plain(side=2049)), Plan(upscale=8))
        assert workers(converter) == before


def test_a_worker_killed_at_work_is_a_failed_conversion_and_the_next_one_is_served() -> None:
    with Converter(workers=1) as converter:
        converter.convert(PICTURE, Plan())
        pending = converter.submit(noise(900), SLOW)
        anyio.run(wait_until, lambda: at_work(converter, pending))
        os.kill(workers(converter)[0], signal.SIGKILL)
        with pytest.raises(ConversionFailed, match="its process ended with code -9"):
            pending.result()
        assert converter.convert(PICTURE, Plan()).quality


def test_a_worker_that_exits_is_a_failed_conversion() -> None:
    """As native code does that calls exit."""
    with Converter(workers=1) as converter:
        gone = Pending(converter._pool.schedule(os._exit, args=(3,)), 1.0)
        with pytest.raises(ConversionFailed, match="its process ended with code 3"):
            gone.result()
        assert converter.convert(PICTURE, Plan()).quality


def test_a_panic_in_a_worker_is_a_failed_conversion(capfd: pytest.CaptureFixture[str]) -> None:
    """The panic's own type cannot leave the worker."""
    bmp = encoded(plain(side=8), "BMP")
    with Converter(workers=1) as converter:
        panicking = converter._pool.schedule(
            vtracer.convert_raw_image_to_svg, args=(bmp,), kwargs={"img_format": "bmp", "color_precision": 0}
        )
        with pytest.raises(ConversionFailed, match="native code panicked"):
            Pending(panicking, 1.0).result()
        assert converter.convert(PICTURE, Plan()).quality
    capfd.readouterr()  # Rust prints where it panicked


def test_a_pool_broken_before_the_conversion_began_is_a_failed_conversion() -> None:
    broken: ProcessFuture[Conversion] = ProcessFuture()
    broken.set_exception(BrokenProcessPool("all workers expired"))
    with pytest.raises(ConversionFailed, match="before it began"):
        Pending(broken, 1.0).result()


@pytest.mark.parametrize(
    "fault", [MemoryError(), cv2.error("Insufficient memory\nat alloc.cpp")], ids=["python", "opencv"]
)
def test_too_little_memory_in_a_worker_is_a_failed_conversion(fault: Exception) -> None:
    full: ProcessFuture[Conversion] = ProcessFuture()
    full.set_exception(fault)
    with pytest.raises(ConversionFailed, match=r"memory\)"):
        Pending(full, 1.0).result()


def test_a_side_too_long_for_the_tracer_is_refused_and_the_worker_lives_on() -> None:
    with Converter(workers=1) as converter:
        with pytest.raises(ResultTooLarge, match="a side"):
            converter.convert(encoded(np.full((1, 66_000, 4), 255, np.uint8)), Plan())
        assert converter.convert(PICTURE, Plan()).quality


def test_what_takes_too_long_is_ended() -> None:
    with Converter(workers=1, timeout=2) as converter:
        pending = converter.submit(noise(900), SLOW)
        with pytest.raises(ConversionTimedOut, match=r"longer than 2 s"):
            pending.result()
        assert converter.convert(PICTURE, Plan()).quality


def test_a_conversion_given_up_frees_its_worker() -> None:
    with Converter(workers=1) as converter:
        pending = converter.submit(noise(900), SLOW)
        anyio.run(wait_until, pending.future.running)
        pending.cancel()
        assert converter.convert(PICTURE, Plan()).quality


def test_no_worker_is_left_behind() -> None:
    with Converter(workers=2) as converter:
        pending = [converter.submit(noise(900), SLOW) for _ in range(3)]
        anyio.run(wait_until, lambda: sum(p.future.running() for p in pending) == 2)
        before = workers(converter)
        assert len(before) == 2
    anyio.run(wait_until, lambda: not any(map(alive, before)))


def test_workers_share_the_work() -> None:
    plans = [Plan(upscale=u, palette=p) for u, p in itertools.product((1, 2), (0, 6))]
    with Converter(workers=2) as converter:
        pending = [converter.submit(PICTURE, plan, measure=False) for plan in plans]
        found: list[Conversion] = [one.result() for one in pending]
    assert [one.svg for one in found] == [run_plan(wordmark(), plan).svg for plan in plans]


def policy(data: bytes, digest: str) -> PolicyModel:
    return PolicyModel(spec=msgspec.convert(exports.POLICY, PolicySpec, strict=False), data=data, digest=digest)


def test_a_plan_is_refined_in_a_worker_as_here() -> None:
    model = policy(exports.policy_onnx(), "good")
    here = refine_bytes(PICTURE, Plan(), model)
    with Converter(workers=1) as converter:
        there = converter.refine(PICTURE, Plan(), model)
    assert here.refinement is not None
    assert there.refinement is not None
    assert [step.plan for step in there.refinement.steps] == [Plan(), Plan(upscale=2, palette=4)]
    assert there.refinement.reason == POLICY_STOPPED
    assert (there.svg, there.quality, there.refinement.plan) == (here.svg, here.quality, here.refinement.plan)
    assert there.quality == max(step.quality for step in there.refinement.steps)
    assert there.svg == run_plan(wordmark(), there.refinement.plan).svg
    assert (there.width, there.height, there.svg_bytes) == (200, 64, len(there.svg.encode()))


@pytest.mark.parametrize(
    ("model", "limits", "reason"),
    [
        pytest.param(None, Limits(), NO_POLICY, id="no policy"),
        pytest.param(policy(b"no model", "broken"), Limits(), NO_POLICY, id="broken policy"),
        pytest.param(policy(exports.policy_onnx(), "good"), Limits(seconds_left=0.0), NO_TIME, id="no time"),
    ],
)
def test_without_policy_or_time_the_plan_runs_as_it_is(model: PolicyModel | None, limits: Limits, reason: str) -> None:
    found = refine_bytes(PICTURE, Plan(), model, limits)
    assert found.refinement is not None
    assert (found.refinement.plan, found.refinement.reason) == (Plan(), reason)
    assert found.svg == convert_bytes(PICTURE, Plan()).svg


def test_a_process_keeps_few_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "_POLICIES", {})
    for number in range(2 * _pool.MOST_POLICIES):
        refine_bytes(PICTURE, Plan(), policy(exports.policy_onnx(), str(number)), Limits(steps=1))
    assert 0 < len(_pool._POLICIES) <= _pool.MOST_POLICIES
