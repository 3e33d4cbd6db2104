"""The shared cache as its users see it: what was published, or a miss; never an error, never anything else."""

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router import Constraints, Host, Plan, Policy, decide
from tests.vecroute.builders import EXPORT
from tests.vecroute.segments import FINGERPRINTS, HOUR, Clock, SegmentWriter, prediction
from vecroute import SharedCache, _lookup, image_hash
from vecroute._context import SharedContext, block_of
from vecroute._entry import plan_key, seal
from vecroute._layout import (
    CONTEXT,
    CONTEXT_BYTES,
    CONTEXT_OFFSET,
    CRC_OFFSET,
    FINGERPRINT,
    KIND_OFFSET,
    KIND_PLAN,
    SYSTEM_LOAD,
    WORD,
)
from vecroute._placement import ways_of
from vecroute.errors import InvalidValue

A, B, C = (image_hash(name) for name in (b"a", b"b", b"c"))
SAID = prediction(0.5)
SECOND = 1_000_000_000


def test_what_was_published_is_found_whole(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    assert cache.get(A) == SAID
    assert cache.get(B) is None


@pytest.mark.parametrize("count", range(1, 9))
def test_entries_of_any_size_are_found(writer: SegmentWriter, cache: SharedCache, count: int) -> None:
    said = prediction(0.25, count, base=count % 2 == 0)
    writer.publish(A, said)
    assert cache.get(A) == said


def test_the_latest_word_on_an_image_counts(writer: SegmentWriter, cache: SharedCache) -> None:
    for number in range(20):
        writer.publish(A, prediction(number / 32))
        assert cache.get(A) == prediction(number / 32)


def test_a_full_set_keeps_the_newest(cache_file: Path) -> None:
    keys = [image_hash(bytes([number])) for number in range(20)]
    with SegmentWriter(cache_file, 8) as writer, SharedCache.open(cache_file) as cache:
        for key in keys:
            writer.publish(key, SAID)
        assert [cache.get(key) == SAID for key in keys] == [False] * 12 + [True] * 8


def test_keys_with_the_same_tag_are_told_apart(cache_file: Path) -> None:
    first, second, third = (letter * 8 + b"same tag" for letter in (b"1", b"2", b"3"))
    with SegmentWriter(cache_file, 8) as writer, SharedCache.open(cache_file) as cache:
        writer.publish(first, prediction(0.25))
        writer.publish(second, prediction(0.75))
        assert (cache.get(first), cache.get(second)) == (prediction(0.25), prediction(0.75))
        assert cache.get(third) is None


def test_a_tag_between_two_ways_is_none(cache_file: Path) -> None:
    """The tag's bytes also lie across the border of two other tags; only the aligned ones count."""
    around = [b"12345678" + tag for tag in (b"____real", b" tag____")]
    wanted = b"87654321" + b"real tag"
    with SegmentWriter(cache_file, 8) as writer, SharedCache.open(cache_file) as cache:
        for key in around:
            writer.publish(key, prediction(0.25))
        assert cache.get(wanted) is None
        writer.publish(wanted, SAID)
        assert cache.get(wanted) == SAID


def test_a_tag_that_would_mean_empty_is_found(writer: SegmentWriter, cache: SharedCache) -> None:
    key = b"12345678" + bytes(8)
    assert cache.get(key) is None
    writer.publish(key, SAID)
    assert cache.get(key) == SAID


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(17), bytes(32)])
def test_a_hash_of_another_length_is_an_error_of_the_caller(cache: SharedCache, key: bytes) -> None:
    for ask in (cache.get, cache.decide, lambda key: cache.get_plan(key, "ppo", Plan())):
        with pytest.raises(InvalidValue, match="16 of image_hash"):
            ask(key)


def test_plans_have_their_own_entries(writer: SegmentWriter, cache: SharedCache) -> None:
    plan = Plan(upscale=3)
    said = prediction(0.75, 1)
    writer.publish(A, SAID)
    writer.publish(plan_key(A, "ppo", plan), said, kind=KIND_PLAN)
    assert cache.get_plan(A, "ppo", plan) == said.candidates[0]
    assert cache.get_plan(A, "regression", plan) is None
    assert cache.get(plan_key(A, "ppo", plan)) is None


@pytest.mark.parametrize(("at", "value"), [(48, 4), (248, 200), (249, 3)], ids=["method", "plan", "matte"])
def test_a_whole_plan_entry_that_this_version_cannot_use_is_a_miss(
    writer: SegmentWriter, cache: SharedCache, at: int, value: int
) -> None:
    plan = Plan(upscale=3)
    slot = writer.slot(*writer.publish(plan_key(A, "ppo", plan), prediction(0.75, 1), kind=KIND_PLAN))
    body = bytearray(writer.map[slot][8:CRC_OFFSET])
    body[at - 8] = value
    writer.map[slot] = seal(bytes(body), 2)
    assert cache.get_plan(A, "ppo", plan) is None
    assert cache.predict(A, "ppo", plan) is None


def test_entries_of_another_fingerprint_are_misses_until_it_is_back(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    writer.swap(FINGERPRINTS[1])
    assert cache.get(A) is None
    writer.publish(A, prediction(0.75))
    assert cache.get(A) == prediction(0.75)
    writer.swap(FINGERPRINTS[0])
    assert cache.get(A) == SAID


def test_without_a_fingerprint_nothing_is_valid(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    writer.store(FINGERPRINT, 0)
    assert cache.get(A) is None


def test_an_old_entry_is_a_miss(writer: SegmentWriter, cache: SharedCache, clock: Clock) -> None:
    writer.publish(A, SAID, lifetime=HOUR)
    writer.publish(B, SAID, lifetime=-1)
    assert (cache.get(A), cache.get(B)) == (SAID, None)
    clock.ahead = HOUR
    writer.beat(age_seconds=-3600)
    assert cache.get(A) is None


def test_an_old_entry_does_not_hide_its_successor(writer: SegmentWriter, cache: SharedCache) -> None:
    """A writer killed before its last store leaves both."""
    number, way = writer.publish(A, SAID, lifetime=-1)
    tag = writer.geometry.tag_line(number) // WORD + way
    before = writer.words[tag]
    writer.publish(A, SAID)
    writer.store(tag, before)
    assert cache.get(A) == SAID


@pytest.mark.parametrize("at", [0, 8, 16, 32, 40, 48, 56, 248, 440, 699, 700, 703])
def test_a_damaged_slot_is_a_miss(writer: SegmentWriter, cache: SharedCache, at: int) -> None:
    where = writer.slot(*writer.publish(A, SAID)).start + at
    writer.map[where] ^= 0x10
    assert cache.get(A) is None
    writer.map[where] ^= 0x10
    assert cache.get(A) == SAID


@pytest.mark.parametrize("written", [8, 100, 400, 696])
def test_a_slot_that_stays_half_written_is_a_miss(writer: SegmentWriter, cache: SharedCache, written: int) -> None:
    slot = writer.slot(*writer.publish(A, SAID))
    old = writer.map[slot]
    new = seal(old[8:32] + bytes(CRC_OFFSET - 32), 99)
    writer.map[slot] = new[:written] + old[written:]
    assert cache.get(A) is None


def test_a_slot_whose_tag_says_another_key_is_a_miss(writer: SegmentWriter, cache: SharedCache) -> None:
    number, way = writer.publish(A, SAID)
    key = A[:8] + b"tag of b"
    writer.store(writer.geometry.tag_line(number) // WORD + way, int.from_bytes(key[8:], "little"))
    assert cache.get(key) is None


def test_a_copy_torn_once_is_taken_again(
    writer: SegmentWriter, cache: SharedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = writer.slot(*writer.publish(A, SAID))
    whole = writer.map[slot]
    writer.map[slot] = seal(whole[8:CRC_OFFSET], 7)[:-1] + b"x"
    seen: list[int] = []

    def repair(line: bytes, tag: bytes) -> list[int]:
        seen.append(1)
        if len(seen) == 3:
            writer.map[slot] = whole
        return ways_of(line, tag)

    monkeypatch.setattr(_lookup, "ways_of", repair)
    assert cache.get(A) == SAID
    assert len(seen) == 3


def test_a_torn_copy_is_given_up_after_four_tries(
    writer: SegmentWriter, cache: SharedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def count(line: bytes, tag: bytes) -> list[int]:
        seen.append(1)
        return ways_of(line, tag)

    writer.map[writer.slot(*writer.publish(A, SAID)).start + 100] ^= 1
    monkeypatch.setattr(_lookup, "ways_of", count)
    assert cache.get(A) is None
    assert len(seen) == _lookup.MOST_TRIES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(body=st.binary(min_size=CRC_OFFSET - 32, max_size=CRC_OFFSET - 32), expiry=st.booleans())
def test_no_content_makes_a_reader_raise(writer: SegmentWriter, cache: SharedCache, body: bytes, expiry: bool) -> None:
    """Whole slots of A, of any content: a writer of another mind, or memory gone bad."""
    identity = writer.words[FINGERPRINT].to_bytes(8, "little") + A
    content = (b"\xff" * 8 + b"\1" + body[9:]) if expiry else body
    writer.write(A, identity + content)
    cache.get(A)
    cache.get_plan(A, "ppo", Plan())
    found = cache.get(A)
    assert found is None or found.candidates


@pytest.mark.parametrize(
    ("at", "value"), [(KIND_OFFSET + 2, 9), (KIND_OFFSET + 2, 0), (48, 4), (KIND_OFFSET + 1, 7), (248, 200), (249, 3)]
)
def test_a_whole_entry_that_makes_no_sense_is_a_miss(
    writer: SegmentWriter, cache: SharedCache, at: int, value: int
) -> None:
    slot = bytearray(writer.map[writer.slot(*writer.publish(A, SAID))])
    slot[at] = value
    writer.write(A, bytes(slot[8:CRC_OFFSET]))
    assert cache.get(A) is None
    assert cache.decide(A) is None


def test_a_torn_context_is_a_miss_until_it_is_whole(writer: SegmentWriter) -> None:
    writer.publish(A, SAID)
    at = CONTEXT_OFFSET + block_of(writer.words[CONTEXT]) * CONTEXT_BYTES + 30
    writer.map[at] ^= 1
    with SharedCache.open(writer.path) as cache:
        assert cache.get(A) is None
        writer.map[at] ^= 1
        assert cache.get(A) == SAID


def test_export_and_reason_come_from_the_context(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    writer.swap(FINGERPRINTS[0], SharedContext(reason="no predictor"))
    assert cache.get(A) == msgspec.structs.replace(SAID, export=None, fallback_reason="no predictor")


def test_decisions_are_those_of_the_router_with_the_hosts_words(writer: SegmentWriter, cache: SharedCache) -> None:
    wanted = Constraints(quality_target=0.4, time_budget=0.6, preferred=frozenset({"ppo"}))
    writer.publish(A, SAID)
    before = time.time()
    found = cache.decide(A, wanted)
    assert found is not None
    assert before <= found.decided_at <= time.time()
    host = Host(system_load=0.25, resource_availability=0.5, now=found.decided_at)
    assert found == msgspec.structs.replace(decide(SAID, wanted, host), cache="local")
    assert found.export == EXPORT
    assert cache.decide(B, wanted) is None


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        pytest.param((0.0, 0.0, 0.0, 0.0), (), id="not told"),
        pytest.param((1.0, 1.0, 1.0, 1.0), (), id="as predicted"),
        pytest.param((1.5, 0.125, 8.0, 0.1), (1.5, 0.125, 8.0, 1.0), id="one too fast to be true"),
        pytest.param((float("nan"), float("inf"), -2.0, 3.5), (1.0, 1.0, 1.0, 3.5), id="nonsense"),
    ],
)
def test_the_hosts_speed_acts_as_far_as_it_can_be_true(
    writer: SegmentWriter, cache: SharedCache, told: tuple[float, ...], believed: tuple[float, ...]
) -> None:
    writer.publish(A, SAID)
    writer.speed(*told)
    wanted = Constraints(time_budget=0.6)
    found = cache.decide(A, wanted)
    assert found is not None
    host = Host(system_load=0.25, resource_availability=0.5, now=found.decided_at, speed=believed)
    assert found == msgspec.structs.replace(decide(SAID, wanted, host), cache="local")


def test_a_plans_seconds_are_those_of_this_host(writer: SegmentWriter, cache: SharedCache) -> None:
    said = prediction(0.5, 4)
    ppo = said.candidates[3]
    key = plan_key(A, "ppo", ppo.plan)
    writer.publish(key, msgspec.structs.replace(said, candidates=(ppo,), base={}), kind=KIND_PLAN)
    for speed, seconds in (((0.0,) * 4, 0.5), ((1.0, 1.0, 1.0, 3.0), 1.5)):
        writer.speed(*speed)
        found = cache.predict(A, "ppo", ppo.plan)
        assert found is not None
        assert (found.seconds, found.quality) == (seconds, 0.5)
    assert cache.get_plan(A, "ppo", ppo.plan) == ppo  # what was predicted stays what it was


def test_load_and_policy_act_at_once(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, SAID)
    assert getattr(cache.decide(A), "policy", None) == "constrained"
    writer.floats[SYSTEM_LOAD] = 0.95
    writer.swap(FINGERPRINTS[0], SharedContext(export=EXPORT, policy=Policy(name="weighted")))
    found = cache.decide(A)
    assert found is not None
    assert (found.policy, found.system_load) == ("weighted", 0.95)


def test_a_method_that_offers_no_plan_is_an_error_of_the_caller(writer: SegmentWriter, cache: SharedCache) -> None:
    writer.publish(A, prediction(0.5, 1))
    with pytest.raises(InvalidValue, match="performance") as caught:
        cache.decide(A, Constraints(method="ppo"))
    assert caught.value.parameter == "method"
