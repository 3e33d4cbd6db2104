"""The daemon's own cache is an exact LRU that answers only for the export that predicted, and not for ever."""

from daemon.cache import PredictionCache
from router import Candidate, ExportInfo, Plan, Prediction
from vecroute._context import SharedContext

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
HOUR = 3600.0


def _prediction(reason: str) -> Prediction:
    return Prediction(candidates=(), fallback_reason=reason)


def _alone(quality: float, upscale: int) -> Prediction:
    candidate = Candidate(
        method="performance",
        plan=Plan(upscale=upscale),
        quality=quality,
        quality_error=0,
        seconds=1,
        seconds_high=1,
        svg_bytes=1,
        svg_bytes_high=1,
    )
    return Prediction(candidates=(candidate,))


def _context(digest: str) -> SharedContext:
    return SharedContext(export=ExportInfo(name="x", version="1", digest=digest))


def _cache(capacity: int) -> PredictionCache:
    cache = PredictionCache(capacity, HOUR)
    cache.use(_context("one"), "onnx")
    return cache


def test_what_was_used_longest_ago_makes_room() -> None:
    cache = _cache(2)
    cache.publish(A, _prediction("a"))
    cache.publish(B, _prediction("b"))
    assert cache.get(A) == _prediction("a")
    cache.publish(C, _prediction("c"))
    assert cache.get(B) is None
    assert cache.get(A) == _prediction("a")
    assert cache.get(C) == _prediction("c")


def test_another_export_lane_or_a_flush_makes_all_invalid() -> None:
    cache = _cache(9)
    seen = {cache.fingerprint}
    cache.publish(A, _prediction("a"))
    cache.use(_context("two"), "onnx")
    seen.add(cache.fingerprint)
    assert cache.get(A) is None
    cache.publish(A, _prediction("b"))
    cache.use(_context("two"), "torchscript")
    seen.add(cache.fingerprint)
    assert cache.get(A) is None
    cache.publish(A, _prediction("c"))
    assert cache.flush() == 1
    seen.add(cache.fingerprint)
    assert cache.get(A) is None
    assert len(seen) == 4
    assert 0 not in seen


def test_a_rollback_makes_what_was_not_asked_meanwhile_valid_again() -> None:
    cache = _cache(9)
    cache.publish(A, _prediction("a"))
    cache.use(_context("two"), "onnx")
    cache.use(_context("one"), "onnx")
    assert cache.get(A) == _prediction("a")


def test_an_entry_grows_too_old() -> None:
    now = [0]
    cache = PredictionCache(2, 1.5, lambda: now[0])
    cache.use(_context("one"), "onnx")
    cache.publish(A, _prediction("a"))
    now[0] = 1_499_999_999
    assert cache.get(A) == _prediction("a")
    now[0] += 1
    assert cache.get(A) is None
    assert cache.statistics().entries == 0


def test_plans_have_keys_of_their_own() -> None:
    cache = _cache(9)
    cache.publish(A, _prediction("a"))
    cache.publish_plan(A, _alone(0.5, 2))
    assert cache.get_plan(A, "performance", Plan(upscale=2)) == _alone(0.5, 2)
    assert cache.get_plan(A, "regression", Plan(upscale=2)) is None
    assert cache.get_plan(B, "performance", Plan(upscale=2)) is None
    assert cache.get(A) == _prediction("a")


def test_made_smaller_it_keeps_what_was_used_last() -> None:
    cache = _cache(3)
    for key in (A, B, C):
        cache.publish(key, _prediction("x"))
    cache.resize(1)
    assert [cache.get(key) is not None for key in (A, B, C)] == [False, False, True]
    assert (cache.statistics().entries, cache.statistics().capacity) == (1, 1)
    assert "1 of 1" in repr(cache)
