"""The shared cache's sets of eight keep what exact LRU keeps, within a point; a small version of the benchmark."""

from collections import OrderedDict

import pytest

from benchmarks._day import simulate_day
from benchmarks._policies import Lru, Policy, S3Fifo, Sets, Sieve, hit_ratio
from benchmarks._traces import loop, repeated, with_scans, zipf
from benchmarks.eviction import SWEEP, ratios, traces

CAPACITY, LENGTH = 1024, 40_000
POINT = 0.01
# A loop that fits is kept whole by exact LRU; sets fill unevenly and lose a part of it. The benchmark shows how much.
FITTING = {"loop of 0.5 x the room", "loop of 0.9 x the room"}


def kept(policy: Policy, *keys: int) -> list[bool]:
    return [policy.access(key) for key in keys]


def test_hit_ratios_are_within_a_point_of_lru_or_better() -> None:
    compared = {name: trace for name, trace in traces(CAPACITY, LENGTH).items() if name not in FITTING}
    assert len(compared) == 5
    for name, trace in compared.items():
        exact = hit_ratio(Lru(CAPACITY), trace, LENGTH // 5)
        assert hit_ratio(Sets(CAPACITY), trace, LENGTH // 5) >= exact - POINT, name
        assert hit_ratio(Sets(CAPACITY, SWEEP), trace, LENGTH // 5) >= exact - POINT, name


def test_without_any_hint_it_is_first_in_first_out_within_a_set_and_still_useful() -> None:
    trace = zipf(1.0, 10 * CAPACITY, LENGTH)
    assert (
        hit_ratio(Sets(CAPACITY), trace) - 0.06 < hit_ratio(Sets(CAPACITY, 0), trace) < hit_ratio(Sets(CAPACITY), trace)
    )


def test_the_benchmark_compares_every_policy_on_every_trace() -> None:
    found = ratios(64, 2000)
    assert {len(row) for row in found.values()} == {6}
    assert all(0 <= value <= 1 for row in found.values() for value in row.values())


@pytest.mark.parametrize("make", [Lru, Sieve, S3Fifo, Sets])
def test_what_was_just_asked_for_is_there(make: type[Lru]) -> None:
    policy = make(8)
    for key in zipf(0.8, 100, 500):
        policy.access(key)
        assert policy.access(key)


@pytest.mark.parametrize("make", [Lru, Sieve, S3Fifo])
def test_a_loop_that_fits_is_kept_whole(make: type[Lru]) -> None:
    assert hit_ratio(make(64), loop(64, 640), 64) == 1.0


def test_lru_is_exact() -> None:
    policy, model = Lru(3), OrderedDict[int, None]()
    for key in zipf(0.8, 8, 300):
        assert policy.access(key) == (key in model)
        model[key] = None
        model.move_to_end(key)
        while len(model) > 3:
            model.popitem(last=False)


def test_sieve_spares_a_visited_key_once() -> None:
    assert kept(Sieve(3), 1, 2, 3, 1, 4, 1, 2) == [False, False, False, True, False, True, False]


def test_s3_fifo_lets_a_scan_pass() -> None:
    policy = S3Fifo(20)
    kept(policy, *range(10), *range(10), *range(10))
    kept(policy, *range(100, 200))
    assert all(kept(policy, *range(10)))


def test_traces_are_what_they_say() -> None:
    trace = zipf(1.0, 100, 5000)
    assert set(trace) <= set(range(100))
    assert trace.count(0) > 1.5 * trace.count(1) > 0
    assert with_scans([0, 1, 0, 1], scan=2, every=2) == [0, 1, 2, 3, 0, 1, 4, 5]
    assert loop(3, 5) == [0, 1, 2, 0, 1]
    assert len(set(repeated(list(range(1000)), 0.5, 10))) < 700


def test_every_request_of_a_day_has_one_outcome() -> None:
    day = simulate_day(20_000)
    assert day.requests == 20_000 == day.hits + day.first_seen + day.swapped + day.expired + day.evicted
    assert day.hits > 0.6 * day.requests
    assert min(day.first_seen, day.swapped, day.expired) > 0
