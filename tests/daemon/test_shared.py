"""What the writer publishes every reader gets, until it is flushed, swapped away, too old or has to make room."""

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from daemon.errors import CacheTaken
from daemon.shared import SharedCacheWriter
from router import METHODS, Constraints, Host, Plan, Policy, Prediction, decide
from tests.daemon.predictions import EXPORT, OTHER, POLICY, Clock, key_of, prediction
from vecroute import SharedCache
from vecroute._boot import boot_time
from vecroute._context import ContextTooLarge, SharedContext
from vecroute._speed import plain_speed

KEY, OLD, NEW = key_of(1), prediction(1), prediction(1, turn=1)
TTL = 3600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "router.cache"


@pytest.fixture
def clock() -> Clock:
    return Clock(boot_time())


@pytest.fixture
def writer(path: Path, clock: Clock) -> Iterator[SharedCacheWriter]:
    with SharedCacheWriter.open(path, 64, TTL, clock=clock) as writer:
        writer.use(SharedContext(export=EXPORT, policy=POLICY), "onnx")
        yield writer


@pytest.fixture
def reader(writer: SharedCacheWriter) -> Iterator[SharedCache]:
    with SharedCache.open(writer.path) as reader:
        yield reader


def test_what_is_published_is_read_by_everybody(writer: SharedCacheWriter, reader: SharedCache) -> None:
    assert (writer.get(KEY), reader.get(KEY)) == (None, None)
    writer.publish(KEY, OLD)
    assert writer.get(KEY) == OLD
    assert reader.get(KEY) == OLD


def test_a_second_word_takes_the_place_of_the_first(writer: SharedCacheWriter, reader: SharedCache) -> None:
    writer.publish(KEY, OLD)
    writer.publish(KEY, NEW)
    assert (writer.get(KEY), reader.get(KEY)) == (NEW, NEW)
    assert writer.statistics().entries == 1


def test_before_use_nothing_is_valid(path: Path) -> None:
    with SharedCacheWriter.open(path, 64, TTL) as writer:
        assert not writer.publish(KEY, OLD)
        assert writer.fingerprint == 0
        assert writer.get(KEY) is None
        assert writer.statistics().entries == 0


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(prediction(1, export=OTHER), id="of an export that was swapped away"),
        pytest.param(prediction(1, export=None), id="of no export"),
    ],
)
def test_what_another_export_says_is_passed_over(writer: SharedCacheWriter, late: Prediction) -> None:
    assert not writer.publish(KEY, late)
    assert writer.get(KEY) is None


def test_a_plan_has_its_own_key(writer: SharedCacheWriter, reader: SharedCache) -> None:
    alone = prediction(1, candidates=1)
    (candidate,) = alone.candidates
    assert writer.publish_plan(KEY, alone)
    assert writer.get_plan(KEY, candidate.method, candidate.plan) == alone
    assert reader.get_plan(KEY, candidate.method, candidate.plan) == candidate
    assert writer.get_plan(KEY, candidate.method, Plan(upscale=7)) is None
    assert writer.get(KEY) is None


def test_a_flush_is_for_ever(path: Path, writer: SharedCacheWriter, reader: SharedCache) -> None:
    writer.publish(KEY, OLD)
    assert writer.flush() == 1
    assert (writer.get(KEY), reader.get(KEY)) == (None, None)
    writer.close()
    with SharedCacheWriter.open(path, 64, TTL) as again:
        again.use(SharedContext(export=OTHER, policy=POLICY), "onnx")
        again.use(SharedContext(export=EXPORT, policy=POLICY), "onnx")
        assert again.get(KEY) is None
        again.publish(KEY, NEW)
        assert again.get(KEY) == NEW
        assert again.flush() == 1


def test_a_flush_where_nothing_is_valid_counts_for_what_comes_back(writer: SharedCacheWriter) -> None:
    writer.publish(KEY, OLD)
    verbose = type(EXPORT)(name="n", version="1", digest="c" * 64, trained_on="x" * 5000)
    with pytest.raises(ContextTooLarge):
        writer.use(SharedContext(export=verbose, policy=POLICY), "onnx")
    assert writer.flush() == 0
    assert writer.fingerprint == 0
    writer.use(SharedContext(export=EXPORT, policy=POLICY), "onnx")
    assert writer.get(KEY) is None


def test_a_swap_hides_and_a_rollback_brings_back(writer: SharedCacheWriter, reader: SharedCache) -> None:
    writer.publish(KEY, OLD)
    writer.use(SharedContext(export=OTHER, policy=POLICY), "onnx")
    assert (writer.get(KEY), reader.get(KEY)) == (None, None)
    other = prediction(1, export=OTHER)
    writer.publish(KEY, other)
    assert (writer.get(KEY), reader.get(KEY)) == (other, other)
    writer.use(SharedContext(export=EXPORT, policy=POLICY), "onnx")
    assert (writer.get(KEY), reader.get(KEY)) == (OLD, OLD)
    assert writer.statistics().counts["swapped"] == 2


def test_a_new_policy_keeps_the_entries(writer: SharedCacheWriter, reader: SharedCache) -> None:
    writer.publish(KEY, OLD)
    before = writer.fingerprint
    assert reader.decide(KEY) is not None
    writer.use(SharedContext(export=EXPORT, policy=Policy(name="weighted")), "onnx")
    assert writer.fingerprint == before
    decision = reader.decide(KEY)
    assert decision is not None
    assert decision.policy == "weighted"


def test_another_lane_has_entries_of_its_own(writer: SharedCacheWriter) -> None:
    writer.publish(KEY, OLD)
    writer.use(SharedContext(export=EXPORT, policy=POLICY), "torchscript")
    assert writer.get(KEY) is None


def test_an_export_that_readers_cannot_be_told_about_leaves_nothing_valid(
    writer: SharedCacheWriter, reader: SharedCache
) -> None:
    writer.publish(KEY, OLD)
    verbose = type(EXPORT)(name="n", version="1", digest="c" * 64, trained_on="x" * 5000)
    with pytest.raises(ContextTooLarge):
        writer.use(SharedContext(export=verbose, policy=POLICY), "onnx")
    assert (writer.get(KEY), reader.get(KEY)) == (None, None)


def test_an_entry_lives_for_its_ttl(writer: SharedCacheWriter, clock: Clock) -> None:
    writer.publish(KEY, OLD)
    clock.move(TTL - 0.001)
    assert writer.get(KEY) == OLD
    clock.move(0.001)
    assert writer.get(KEY) is None
    statistics = writer.statistics()
    assert (statistics.entries, statistics.counts["expired"]) == (0, 1)


def test_the_heartbeat_tells_readers_of_the_host(writer: SharedCacheWriter, reader: SharedCache, clock: Clock) -> None:
    writer.publish(KEY, OLD)
    clock.move(-60)
    writer.beat(Host(system_load=0.75, resource_availability=0.125))
    assert reader.get(KEY) is None  # nobody has kept it for a minute
    clock.move(60)
    writer.beat(Host(system_load=0.75, resource_availability=0.125))
    decision = reader.decide(KEY)
    assert decision is not None
    assert (decision.system_load, decision.resource_availability) == (0.75, 0.125)


@pytest.mark.parametrize("speed", [(), (0.125, 8.0, 1.0, 1.5), plain_speed((1.1, 0.9, 3.3, 0.3))])
def test_readers_decide_with_the_speed_that_the_daemon_tells(
    writer: SharedCacheWriter, reader: SharedCache, speed: tuple[float, ...]
) -> None:
    writer.publish(KEY, OLD)
    writer.beat(Host(speed=(2.0, 2.0, 2.0, 2.0)))
    writer.beat(Host(speed=speed))
    made = reader.decide(KEY)
    assert made is not None
    expected = decide(OLD, Constraints(), Host(speed=speed, now=made.decided_at), POLICY)
    assert made == msgspec.structs.replace(expected, cache="local")
    writer.resize(128)
    with SharedCache.open(writer.path) as larger:
        assert larger.statistics().speed == dict(zip(METHODS, speed or (1.0,) * 4, strict=True))


def test_counts_are_shown_with_the_heartbeat_and_go_on_after_a_restart(
    path: Path, writer: SharedCacheWriter, reader: SharedCache
) -> None:
    writer.publish(KEY, OLD)
    writer.get(KEY)  # counts for nobody: only who is asked knows what was a request
    writer.count("hits", 1)
    writer.count("local_hits", 7)
    writer.beat(Host())
    counters = reader.statistics().counters
    assert (counters["published"], counters["hits"], counters["local_hits"]) == (1, 1, 7)
    writer.close()
    with SharedCacheWriter.open(path, 64, TTL) as again:
        counts = again.statistics().counts
        assert (counts["published"], counts["recovered"]) == (1, 1)


def test_what_is_intact_is_there_after_a_restart(path: Path, writer: SharedCacheWriter, reader: SharedCache) -> None:
    for number in range(20):
        writer.publish(key_of(number), prediction(number))
    writer.close()
    assert reader.get(KEY) == OLD  # the daemon is away, for less than its heartbeat's time
    with SharedCacheWriter.open(path, 64, TTL) as again:
        assert again.statistics().entries == 20
        again.use(SharedContext(export=EXPORT, policy=POLICY), "onnx")
        again.publish(key_of(20), prediction(20))
        assert [again.get(key_of(number)) for number in range(21)] == [prediction(number) for number in range(21)]
        assert reader.get(key_of(20)) == prediction(20)


def test_one_writer_at_a_time(path: Path, writer: SharedCacheWriter) -> None:
    with pytest.raises(CacheTaken, match="another daemon"):
        SharedCacheWriter.open(path, 64, TTL)
    writer.close()
    SharedCacheWriter.open(path, 64, TTL).close()


@pytest.mark.parametrize(("asked", "given"), [(0o600, 0o600), (0o660, 0o640), (0o666, 0o644)])
def test_others_may_read_as_far_as_the_socket_lets_them_and_never_write(tmp_path: Path, asked: int, given: int) -> None:
    path = tmp_path / "cache"
    for _ in range(2):  # made, then found
        with SharedCacheWriter.open(path, 8, TTL, asked):
            assert stat.S_IMODE(path.stat().st_mode) == given
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cache", "cache.lock"]


def test_closing_twice_changes_nothing(writer: SharedCacheWriter) -> None:
    writer.close()
    writer.close()
