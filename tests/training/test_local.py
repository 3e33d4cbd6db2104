"""The engine of one machine: labels from worker processes, and a worker that dies or hangs costs its task alone."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.training.workers import DOOMED, HANGING, PANICKING, figures, label_or_die
from training._engine import Failure, run_all
from training._labelfile import read_labels
from training._local import LocalEngine, Workers, outcome
from training._run import Label, Task, label


def renamed(tasks: list[Task], *drawings: str) -> list[Task]:
    """Return the tasks with other drawings."""
    return [
        msgspec.structs.replace(task, spec=msgspec.structs.replace(task.spec, drawing=drawing))
        for task, drawing in zip(tasks, drawings, strict=True)
    ]


def test_labels_are_those_that_a_task_gives_here(tasks: list[Task]) -> None:
    found = {task.spec.key: one for task, one in LocalEngine(2).run(tasks)}
    assert len(found) == len(tasks)
    for task in tasks:
        here, there = label(task), found[task.spec.key]
        assert isinstance(there, Label)
        assert [figures(run) for run in there.runs] == [figures(run) for run in here.runs]
        assert (there.features, there.thumbnail) == (here.features, here.thumbnail)


def test_a_worker_that_dies_panics_or_hangs_is_listed_and_the_rest_goes_on(tasks: list[Task], tmp_path: Path) -> None:
    """One is killed for real, one panics, one never ends; run again, only those three are tried."""
    doomed = renamed(tasks, DOOMED, PANICKING, HANGING, "shape-1", "shape-2", "shape-5")
    path, seen = tmp_path / "label.jsonl", list[Label | str]()
    done, failures = run_all(doomed, path, LocalEngine(2, timeout=3, job=label_or_die), progress=seen.append)
    assert done == len(doomed) - 3
    assert sorted(line.split(" at ")[0] for line in failures) == sorted(
        f"shapes/{name}" for name in (DOOMED, PANICKING, HANGING)
    )
    assert sorted(line.split(" px: ")[1] for line in failures) == [
        "it took longer than 3 s",
        "its process ended with code -9",
        "native code panicked",
    ]
    assert sum(isinstance(one, str) for one in seen) == 3
    assert run_all(doomed, path, LocalEngine(2), progress=seen.append) == (3, [])
    assert len(list(read_labels(path))) == len(doomed)


def test_tasks_are_taken_as_they_are_needed_and_closing_ends_the_workers(tasks: list[Task]) -> None:
    taken: list[Task] = []

    def many() -> Iterator[Task]:
        for task in tasks * 5:
            taken.append(task)
            yield task

    with closing(LocalEngine(1).run(many())) as results:
        next(results)
        assert len(taken) == 2
    assert multiprocessing.active_children() == []


def test_a_worker_that_is_killed_while_it_waits_costs_nothing(tasks: list[Task]) -> None:
    workers = Workers(1, timeout=30, job=label)
    try:
        assert workers.submit(tasks[0]).result().key == tasks[0].spec.key
        (idle,) = multiprocessing.active_children()
        idle.kill()
        while workers.active:
            os.sched_yield()
        assert workers.submit(tasks[1]).result().key == tasks[1].spec.key
    finally:
        workers.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(BrokenProcessPool("gone"), "its process ended before it began", id="broken pool"),
        pytest.param(TimeoutError("a lock"), "TimeoutError: a lock", id="a timeout of its own"),
        pytest.param(KeyError("shape"), "KeyError: 'shape'", id="an error"),
        pytest.param(ValueError("first\nsecond"), "ValueError: first", id="of several lines"),
        pytest.param(MemoryError(), "MemoryError", id="without a word"),
    ],
)
def test_whatever_ends_a_task_is_that_images_failure(error: Exception, reason: str) -> None:
    future = Future[Label]()
    future.set_exception(error)
    assert outcome(future) == Failure(reason)
