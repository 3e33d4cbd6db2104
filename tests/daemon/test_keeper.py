"""The keeper: what counts after a swap or a flush, which of the two caches serves, and who may count hits."""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from daemon.hints import CELLS
from daemon.images import Descriptor
from daemon.keeper import Keeper
from daemon.settings import Settings
from daemon.shared import SharedCacheWriter
from models import Export, builtin, load_export
from router import Host, Plan
from router.pixels import Sample, sample
from tests.daemon.pictures import png
from tests.exports import write_export
from vecroute import SharedCache
from vecroute._hints import hints_bytes
from vecroute._paths import cache_path
from vecroute.errors import NoSharedCache

pytestmark = pytest.mark.anyio
A, B = b"a" * 16, b"b" * 16
PLAN = Plan(upscale=7)
SAMPLE: Sample = sample(png())


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return load_export(write_export(tmp_path_factory.mktemp("export") / "one", forest=False, regressor=False))


@pytest.fixture
def base() -> Export:
    return builtin(defaults=None)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Keeper]]:
    """Make keepers that are closed with the test."""
    made: list[Keeper] = []

    def make_one(**settings: object) -> Keeper:
        keeper = Keeper(Settings(socket=tmp_path / "router", **settings))  # type: ignore[arg-type] # by name
        made.append(keeper)
        keeper.open()
        return keeper

    yield make_one
    for keeper in made:
        keeper.close()


Make = Callable[..., Keeper]


class Client:
    """A client as far as the keeper knows it."""

    def __init__(self) -> None:
        self.attached: list[Descriptor] = []
        self.ends: list[Callable[[], None]] = []

    def attach(self, descriptor: Descriptor) -> int:
        self.attached.append(descriptor)
        return len(self.attached) - 1

    def at_end(self, work: Callable[[], None]) -> None:
        self.ends.append(work)


@pytest.mark.parametrize("shared", [True, False])
def test_what_was_computed_before_a_swap_or_a_flush_does_not_count_after_it(
    make: Make, onnx: Export, base: Export, shared: bool
) -> None:
    keeper = make(cache_shared=shared)
    keeper.use(onnx)
    prediction, candidate = onnx.predict(SAMPLE), onnx.predict_plan(SAMPLE, "performance", PLAN)
    before = keeper.fingerprint
    keeper.use(base)
    assert not keeper.keep(A, prediction, before)
    assert not keeper.keep_plan(A, candidate, "onnx", before)
    keeper.use(onnx)
    assert keeper.keep(A, prediction, before)
    assert keeper.keep_plan(A, candidate, "onnx", before)
    assert keeper.flush() == 2
    assert not keeper.keep(A, prediction, before)
    assert (keeper.get(A), keeper.get_plan(A, "performance", PLAN)) == (None, None)
    assert keeper.keep(A, prediction, keeper.fingerprint)
    assert keeper.get(A) == prediction


@pytest.mark.parametrize("shared", [True, False])
def test_base_routing_for_want_of_time_is_not_kept(make: Make, onnx: Export, base: Export, shared: bool) -> None:
    keeper = make(cache_shared=shared)
    for export in (onnx, base):
        keeper.use(export)
        late = export.predict_base(SAMPLE.features, "the prediction took longer than 50 ms")
        assert not keeper.keep(A, late, keeper.fingerprint)
    prediction = base.predict(SAMPLE)
    assert keeper.keep(A, prediction, keeper.fingerprint)
    assert keeper.get(A) == prediction


def test_a_plan_is_known_by_itself_or_among_the_images_candidates(make: Make, onnx: Export) -> None:
    keeper = make()
    keeper.use(onnx)
    prediction, candidate = onnx.predict(SAMPLE), onnx.predict_plan(SAMPLE, "performance", PLAN)
    keeper.keep(A, prediction, keeper.fingerprint)
    keeper.keep_plan(B, candidate, "onnx", keeper.fingerprint)
    first = prediction.candidates[0]
    found = keeper.get_plan(A, first.method, first.plan)
    assert found is not None
    assert (found.candidates, found.lane, found.export) == ((first,), "onnx", onnx.info)
    found = keeper.get_plan(B, "performance", PLAN)
    assert found is not None
    assert (found.candidates, found.lane, found.export) == ((candidate,), "onnx", onnx.info)
    assert keeper.get_plan(A, "performance", PLAN) is None
    status = keeper.status()
    assert (status.hits, status.misses, status.entries) == (2, 1, 2)


def test_readers_see_at_once_what_is_kept_swapped_and_flushed(make: Make, onnx: Export, base: Export) -> None:
    keeper = make()
    keeper.use(onnx)
    prediction = onnx.predict(SAMPLE)
    keeper.keep(A, prediction, keeper.fingerprint)
    with SharedCache.open(cache_path(keeper._settings.socket)) as reader:
        assert reader.get(A) == prediction
        keeper.use(base)
        assert reader.get(A) is None
        keeper.use(onnx)
        assert reader.get(A) == prediction
        keeper.flush()
        assert reader.get(A) is None


def test_where_another_writes_the_daemons_own_cache_serves_and_says_why(
    make: Make, onnx: Export, tmp_path: Path
) -> None:
    with SharedCacheWriter.open(cache_path(tmp_path / "router"), 8, 60):
        keeper = make(cache_entries=9)
    keeper.use(onnx)
    prediction = onnx.predict(SAMPLE)
    keeper.keep(A, prediction, keeper.fingerprint)
    assert keeper.get(A) == prediction
    status = keeper.status()
    assert (status.path, status.local_hits, status.capacity) == (None, None, 9)
    assert "another daemon writes it" in str(status.problem)
    with pytest.raises(NoSharedCache, match="another daemon writes it"):
        keeper.describe(Client())


def test_where_something_else_lies_at_the_path_it_is_left_alone(make: Make, onnx: Export, tmp_path: Path) -> None:
    cache_path(tmp_path / "router").mkdir()
    keeper = make()
    keeper.use(onnx)
    assert keeper.keep(A, onnx.predict(SAMPLE), keeper.fingerprint)
    assert "cannot be replaced" in str(keeper.status().problem)


def test_not_wanted_it_is_no_problem(make: Make, onnx: Export, tmp_path: Path) -> None:
    keeper = make(cache_shared=False)
    keeper.use(onnx)
    assert keeper.status().problem is None
    assert list(tmp_path.glob("router*")) == []
    with pytest.raises(NoSharedCache, match="cache-shared is false"):
        keeper.describe(Client())


def test_an_export_with_too_much_to_say_is_kept_in_the_daemon_alone(make: Make, onnx: Export) -> None:
    keeper, talkative = make(), _with_metrics(onnx, 500)
    keeper.use(onnx)
    keeper.keep(A, onnx.predict(SAMPLE), keeper.fingerprint)
    keeper.use(talkative)
    said = talkative.predict(SAMPLE)
    assert keeper.keep(B, said, keeper.fingerprint)
    assert (keeper.get(A), keeper.get(B)) == (None, said)
    assert "fewer metrics" in str(keeper.status().problem)
    with SharedCache.open(cache_path(keeper._settings.socket)) as reader:
        assert (reader.get(A), reader.get(B)) == (None, None)
        keeper.use(onnx)
        assert reader.get(A) is not None
    assert keeper.status().problem is None


def _with_metrics(export: Export, count: int) -> Export:
    info = msgspec.structs.replace(export.info, digest="t" * 64, metrics={f"metric {n}": 0.5 for n in range(count)})
    return Export(info, export._roles, predictor=export._predictor)


def test_short_memory_takes_half_of_the_entries_but_not_the_last_1024(make: Make, onnx: Export) -> None:
    keeper = make(cache_entries=4000)
    keeper.use(onnx)
    prediction = onnx.predict(SAMPLE)
    keeper.keep(A, prediction, keeper.fingerprint)
    sizes = []
    for _ in range(3):
        keeper.shed()
        sizes.append(keeper.status().capacity)
        assert keeper.get(A) == prediction
    assert sizes == [2000, 1024, 1024]
    assert keeper.describe(Client()).entries == 1024


async def test_readers_counters_are_their_own_and_come_back(make: Make, onnx: Export) -> None:
    keeper = make()
    keeper.use(onnx)
    one, other = Client(), Client()
    cells = [keeper.describe(client).reader for client in (one, other, one)]
    assert cells == [0, 1, 0]
    assert len(one.ends) == 1
    for client in (one, other):
        for end in client.ends:
            end()
    assert [keeper.describe(Client()).reader for _ in range(CELLS)][-2:] == [0, 1]
    assert keeper.describe(Client()).reader is None


async def test_used_slots_and_local_hits_are_taken_over(make: Make, onnx: Export, tmp_path: Path) -> None:
    keeper = make(cache_entries=8)
    keeper.use(onnx)
    prediction, client = onnx.predict(SAMPLE), Client()
    keys = [bytes([n]) * 16 for n in range(9)]
    for key in keys[:8]:
        keeper.keep(key, prediction, keeper.fingerprint)
    reply = keeper.describe(client)
    with SharedCache.open(reply.path) as reader:
        reader.attach_hints(client.attached[0].fileno(), reply.reader)
        assert reader.get(keys[0]) is not None
        await _scan(keeper)
        keeper.keep(keys[8], prediction, keeper.fingerprint)
        kept = [reader.get(key) is not None for key in keys]
    assert kept == [True, False, *[True] * 7]
    await _scan(keeper)
    assert keeper.status().local_hits == 1 + 8


def test_what_is_recalled_counts_as_no_request(make: Make, onnx: Export) -> None:
    keeper = make()
    keeper.use(onnx)
    prediction = onnx.predict(SAMPLE)
    keeper.keep(A, prediction, keeper.fingerprint)
    first = prediction.candidates[0]
    recalled = keeper.recall_plan(A, first.method, first.plan)
    assert recalled is not None
    assert recalled.candidates == (first,)
    assert keeper.recall_plan(B, first.method, first.plan) is None
    keeper.beat(Host())
    assert (keeper.status().hits, keeper.status().misses) == (0, 0)
    with SharedCache.open(cache_path(keeper._settings.socket)) as reader:
        counters = reader.statistics().counters
    assert (counters["hits"], counters["misses"]) == (0, 0)


def test_each_request_counts_once_also_in_the_file(make: Make, onnx: Export) -> None:
    keeper = make()
    keeper.use(onnx)
    prediction = onnx.predict(SAMPLE)
    assert keeper.get(A) is None
    keeper.keep(A, prediction, keeper.fingerprint)
    assert keeper.get(A) == prediction
    keeper.beat(Host())
    with SharedCache.open(cache_path(keeper._settings.socket)) as reader:
        counters = reader.statistics().counters
    assert (counters["hits"], counters["misses"]) == (1, 1) == (keeper.status().hits, keeper.status().misses)


async def test_hostile_hints_do_no_harm(make: Make, onnx: Export) -> None:
    keeper, client = make(cache_entries=64), Client()
    keeper.use(onnx)
    prediction = onnx.predict(SAMPLE)
    keeper.keep(A, prediction, keeper.fingerprint)
    keeper.describe(client)
    shared = mmap.mmap(client.attached[0].fileno(), hints_bytes(64))
    for pattern in (b"\xff", b"\x00", b"\x7f"):
        shared[:] = pattern * len(shared)
        await _scan(keeper)
    keeper.beat(Host(system_load=0.5))
    assert keeper.get(A) == prediction
    with SharedCache.open(cache_path(keeper._settings.socket)) as reader:
        assert reader.get(A) == prediction


async def test_after_a_resize_old_hints_are_not_read_any_more(make: Make, onnx: Export) -> None:
    keeper, client = make(cache_entries=4096), Client()
    keeper.use(onnx)
    keeper.describe(client)
    old = keeper._hints
    assert old is not None
    keeper.shed()
    await keeper.scan(old)
    reply = keeper.describe(client)
    assert (reply.reader, len(client.ends)) == (0, 1)
    assert client.attached[0] is not client.attached[1]


async def _scan(keeper: Keeper) -> None:
    assert keeper._hints is not None
    await keeper.scan(keeper._hints)
