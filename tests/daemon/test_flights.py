"""Flights: one computation for all who ask, alive as long as one of them waits."""

import anyio
import pytest

from daemon.flights import Flights

pytestmark = pytest.mark.anyio


class Work:
    """Work that ends when told, and counts how often it was begun and cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.begin = anyio.Event()
        self.end = anyio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        self.begin.set()
        try:
            await self.end.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        return "done"


async def test_two_who_ask_at_once_share_one_computation() -> None:
    work, results = Work(), list[str]()
    async with anyio.create_task_group() as tasks:
        flights = Flights[str](tasks)

        async def ask() -> None:
            results.append(await flights.join(b"key", work))

        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await work.begin.wait()
        work.end.set()
    assert results == ["done", "done"]
    assert work.begun == 1
    assert len(flights) == 0


async def test_the_others_get_their_answer_when_the_first_leaves() -> None:
    work, results = Work(), list[str]()
    async with anyio.create_task_group() as tasks:
        flights = Flights[str](tasks)
        first = anyio.CancelScope()

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                results.append(await flights.join(b"key", work))

        tasks.start_soon(ask, first)
        await work.begin.wait()
        tasks.start_soon(ask, anyio.CancelScope())
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        assert work.cancelled == 0
        work.end.set()
    assert results == ["done"]


async def test_the_work_is_cancelled_when_the_last_leaves_and_begins_anew_for_the_next() -> None:
    work, again = Work(), Work()
    async with anyio.create_task_group() as tasks:
        flights = Flights[str](tasks)
        scope = anyio.CancelScope()

        async def ask() -> None:
            with scope:
                await flights.join(b"key", work)

        tasks.start_soon(ask)
        await work.begin.wait()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        again.end.set()
        assert await flights.join(b"key", again) == "done"
    assert (work.begun, work.cancelled) == (1, 1)


async def test_a_failure_reaches_all_who_wait_and_nobody_else() -> None:
    errors: list[str] = []

    async def fail() -> str:
        raise ValueError("broken")

    async with anyio.create_task_group() as tasks:
        flights = Flights[str](tasks)

        async def ask() -> None:
            try:
                await flights.join(b"key", fail)
            except ValueError as error:
                errors.append(str(error))

        tasks.start_soon(ask)
        tasks.start_soon(ask)
    assert errors == ["broken", "broken"]
