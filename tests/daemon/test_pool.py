"""The pool: bounded, and a slot is free only when its thread is."""

import threading

import pytest

from daemon.pool import Job, Pool
from tests.daemon.harness import wait_until
from vecroute.errors import Overloaded

pytestmark = pytest.mark.anyio


async def test_work_gives_a_stage_and_then_a_result() -> None:
    pool = Pool("test", 1, 1)

    def work(job: Job[str, int]) -> int:
        job.announce("half")
        return 7

    job = pool.submit(work)
    assert await job.wait_stage() == "half"
    assert await job.wait_result() == 7
    assert pool.close()


async def test_what_the_work_raises_is_raised_to_the_waiter() -> None:
    pool = Pool("test", 1, 1)

    def fail(_job: Job[str, int]) -> int:
        raise ZeroDivisionError("no")

    job = pool.submit(fail)
    with pytest.raises(ZeroDivisionError):
        await job.wait_stage()
    with pytest.raises(ZeroDivisionError):
        await job.wait_result()
    pool.close()


async def test_more_than_the_queue_holds_is_refused_at_once() -> None:
    pool, gate = Pool("test", 1, 2), threading.Event()
    pool.submit(lambda _: gate.wait())
    await wait_until(lambda: pool.state().running == 1)
    waiting: list[Job[None, int]] = [pool.submit(lambda _: 1), pool.submit(lambda _: 2)]
    with pytest.raises(Overloaded, match="try again"):
        pool.submit(lambda _: 3)
    gate.set()
    assert [await job.wait_result() for job in waiting] == [1, 2]
    pool.close()


async def test_abandoned_work_in_the_queue_is_never_begun() -> None:
    pool, gate, begun = Pool("test", 1, 2), threading.Event(), threading.Event()
    pool.submit(lambda _: gate.wait())
    await wait_until(lambda: pool.state().running == 1)
    job: Job[None, None] = pool.submit(lambda _: begun.set())
    pool.abandon(job)
    assert pool.state().waiting == 0
    gate.set()
    assert await pool.run(lambda _: 5, 10, "not done") == 5
    assert not begun.is_set()
    pool.close()


async def test_a_thread_that_cannot_be_stopped_keeps_its_slot_until_it_ends() -> None:
    pool, gate, asked = Pool("test", 1, 4), threading.Event(), threading.Event()
    job: Job[None, bool] = pool.submit(lambda _: gate.wait(), stop=asked.set)
    await wait_until(lambda: pool.state().running == 1)
    pool.abandon(job)
    assert asked.is_set()
    assert (pool.state().running, pool.state().abandoned) == (1, 1)
    with pytest.raises(Overloaded, match=r"not done within 0\.01 s"):
        await pool.run(lambda _: 1, 0.01, "not done")
    gate.set()
    await wait_until(lambda: pool.state().running == 0)
    assert await pool.run(lambda _: 1, 10, "not done") == 1
    pool.close()


async def test_work_that_has_ended_is_not_asked_to_stop() -> None:
    pool, asked = Pool("test", 1, 4), threading.Event()
    job: Job[None, int] = pool.submit(lambda _: 1, stop=asked.set)
    await job.wait_result()
    pool.abandon(job)
    assert not asked.is_set()
    pool.close()


async def test_closing_tells_whether_a_thread_still_runs() -> None:
    pool, gate = Pool("test", 2, 2), threading.Event()
    pool.submit(lambda _: gate.wait())
    await wait_until(lambda: pool.state().running == 1)
    assert not pool.close()
    gate.set()


async def test_the_works_own_timeout_is_its_own() -> None:
    pool = Pool("test", 1, 2)

    def fail(_job: Job[None, int]) -> int:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await pool.run(fail, 10, "not done")
    pool.close()


async def test_a_part_of_the_work_is_done_by_a_thread_that_idles() -> None:
    pool, met = Pool("test", 2, 2), threading.Barrier(2, timeout=10)

    def work(_job: Job[None, str]) -> str:
        other = pool.share(lambda: (met.wait(), threading.current_thread().name)[1])
        met.wait()  # each waits for the other, so both run at once
        assert other() != threading.current_thread().name
        return other()

    assert (await pool.run(work, 10, "not done")).startswith("test-")
    await wait_until(lambda: pool.state().running == 0)
    assert pool.close()


async def test_where_all_threads_are_busy_a_part_is_left_to_its_job() -> None:
    pool = Pool("test", 1, 2)
    names = await pool.run(lambda _: (pool.share(threading.current_thread)(), threading.current_thread()), 10, "late")
    assert names[0] is names[1]
    pool.close()


async def test_parts_never_pass_jobs_that_wait() -> None:
    pool, gate = Pool("test", 2, 4), threading.Event()
    for _ in range(2):
        pool.submit(lambda _: gate.wait())
    await wait_until(lambda: pool.state().running == 2)
    waiting: Job[None, int] = pool.submit(lambda _: 1)
    assert pool.share(threading.current_thread)() is threading.current_thread()
    gate.set()
    assert await waiting.wait_result() == 1
    pool.close()


async def test_what_a_part_raises_is_raised_to_its_job() -> None:
    pool = Pool("test", 2, 2)

    def work(_job: Job[None, None]) -> None:
        result = pool.share(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            result()

    await pool.run(work, 10, "not done")
    pool.close()


async def test_a_part_that_was_not_begun_is_done_by_its_job() -> None:
    pool = Pool("test", 2, 2)
    # No thread comes to it while the lock is held.
    with pool._changed:
        result = pool.share(threading.current_thread)
        assert pool.state().waiting == 1
        assert result() is threading.current_thread()
        assert pool.state().waiting == 0
    pool.close()


async def test_a_pool_that_was_closed_leaves_parts_to_their_jobs() -> None:
    pool = Pool("test", 2, 2)
    with pool._changed:
        begun = pool.share(threading.current_thread)
        pool.close()
        assert begun() is threading.current_thread()
    assert pool.share(threading.current_thread)() is threading.current_thread()
