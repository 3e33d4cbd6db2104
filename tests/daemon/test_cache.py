"""The cache is an exact LRU that answers only for the export that predicted."""

from daemon.cache import PredictionCache
from router import Prediction

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def _prediction(reason: str) -> Prediction:
    return Prediction(candidates=(), fallback_reason=reason)


def test_what_was_used_longest_ago_makes_room() -> None:
    cache = PredictionCache(2)
    cache.put(A, "one", _prediction("a"))
    cache.put(B, "one", _prediction("b"))
    assert cache.get(A, "one") == _prediction("a")
    cache.put(C, "one", _prediction("c"))
    assert cache.get(B, "one") is None
    assert cache.get(A, "one") == _prediction("a")
    assert cache.get(C, "one") == _prediction("c")


def test_another_exports_word_is_dropped() -> None:
    cache = PredictionCache(2)
    cache.put(A, "one", _prediction("a"))
    assert cache.get(A, "two") is None
    assert cache.status().entries == 0


def test_a_new_word_replaces_the_old() -> None:
    cache = PredictionCache(2)
    cache.put(A, "one", _prediction("old"))
    cache.put(A, "two", _prediction("new"))
    assert cache.get(A, "two") == _prediction("new")
    assert cache.status().entries == 1


def test_its_status_tells_hits_misses_and_size() -> None:
    cache = PredictionCache(5)
    cache.put(A, "one", _prediction("a"))
    cache.get(A, "one")
    cache.get(B, "one")
    status = cache.status()
    assert (status.hits, status.misses, status.entries, status.capacity) == (1, 1, 1, 5)
    assert "hits=1" in repr(cache)
