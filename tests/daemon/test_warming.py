"""Warming: what was asked last is predicted anew, one image after the other, and never while somebody asks."""

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from daemon.exports import Exports
from daemon.inference import Inference
from daemon.keeper import Keeper
from daemon.pool import Job, Pool
from daemon.recent import Packed, Recent, pack
from daemon.settings import Settings
from daemon.warming import MOST_WAITING, Warmer
from router import Features
from router.pixels import sample
from tests.daemon.harness import wait_until
from tests.daemon.pictures import png
from tests.exports import write_export

pytestmark = pytest.mark.anyio
KEYS = [bytes([n]) * 16 for n in range(3)]
SAMPLE = sample(png())


class Parts(NamedTuple):
    """A warmer and what it works with."""

    warmer: Warmer
    recent: Recent
    cache: Keeper
    pool: Pool


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    write_export(tmp_path / "models" / "one", forest=False, regressor=False)
    settings = Settings(models=tmp_path / "models", cache_shared=False)
    cache, loader, pool = Keeper(settings), Pool("loader", 1, 8), Pool("inference", 2, 8)
    exports, recent = Exports(settings, loader, cache.use), Recent()
    await exports.load()
    warmer = Warmer(recent, cache, exports, Inference(pool, 10, 10), pool)
    yield Parts(warmer, recent, cache, pool)
    assert warmer.finish()
    assert loader.close()
    assert pool.close()


async def test_what_has_no_entry_is_predicted_as_when_it_was_asked_for(parts: Parts) -> None:
    for key in KEYS:
        parts.recent.put(key, pack(SAMPLE))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.warmer.run)
        parts.warmer.renew()
        await wait_until(lambda: all(parts.cache.has(key) for key in KEYS))
        first = parts.cache.get(KEYS[0])
        parts.cache.flush()
        parts.warmer.renew()
        await wait_until(lambda: all(parts.cache.has(key) for key in KEYS))
        tasks.cancel_scope.cancel()
    again = parts.cache.get(KEYS[0])
    assert first is not None
    assert again is not None
    assert (first.lane, first.candidates) == (again.lane, again.candidates)
    assert first.lane == "onnx"


async def test_nothing_is_predicted_while_a_request_is(parts: Parts) -> None:
    release = threading.Event()
    busy: Job[None, bool] = parts.pool.submit(lambda _: release.wait(10))
    parts.recent.put(KEYS[0], pack(SAMPLE))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.warmer.run)
        parts.warmer.renew()
        await anyio.wait_all_tasks_blocked()
        assert not parts.cache.has(KEYS[0])
        assert parts.pool.state().running == 1
        release.set()
        await busy.wait_result()
        await wait_until(lambda: parts.cache.has(KEYS[0]))
        tasks.cancel_scope.cancel()


async def test_a_sample_that_is_none_is_passed_over(parts: Parts) -> None:
    parts.recent.put(KEYS[0], pack(SAMPLE))
    parts.recent.put(KEYS[1], Packed(Features(), 9, 9, b"none"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.warmer.run)
        parts.warmer.renew()
        await wait_until(lambda: parts.cache.has(KEYS[0]))
        tasks.cancel_scope.cancel()
    assert not parts.cache.has(KEYS[1])


async def test_noted_samples_are_packed_beside_the_requests(parts: Parts) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.warmer.run)
        for key in (*KEYS, KEYS[0]):
            parts.warmer.note(key, SAMPLE)
        await wait_until(lambda: len(parts.recent) == len(KEYS))
        parts.warmer.touch(KEYS[1])
        tasks.cancel_scope.cancel()
    assert parts.recent.newest_first()[0] == KEYS[1]
    assert parts.recent.get(KEYS[2]) == pack(SAMPLE)


async def test_in_a_rush_some_are_left_out_and_at_the_end_none_is_lost(parts: Parts) -> None:
    for number in range(3 * MOST_WAITING):
        parts.warmer.note(bytes([number]) * 16, SAMPLE)
    assert len(parts.recent) == 0
    assert parts.warmer.finish()
    assert len(parts.recent) == MOST_WAITING
