"""What all engines share: nothing is done twice, labels are kept as they come, failures are listed."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from training._engine import Failure, Results, remaining, run_all
from training._labelfile import read_labels
from training._run import Label, Task, label
from training.errors import LabelsDamaged, LabelsUnwritable, NothingWorks


class Here:
    """An engine without processes: tasks run here, but some drawings fail; it remembers what it was given."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.ran: list[Task] = []
        self.closed = False

    def run(self, tasks: Iterable[Task]) -> Results:
        try:
            for task in tasks:
                self.ran.append(task)
                yield task, Failure("it is cursed") if task.spec.drawing in self.failing else label(task)
        finally:
            self.closed = True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "label.jsonl"


def test_what_is_done_is_never_done_again(tasks: list[Task], path: Path) -> None:
    engine, seen = Here(), list[Label | str]()
    assert run_all(tasks[:2], path, engine, progress=seen.append) == (2, [])
    before = path.read_bytes()
    assert run_all(tasks, path, engine, progress=seen.append) == (len(tasks) - 2, [])
    assert path.read_bytes().startswith(before)
    assert [one.key for one in read_labels(path)] == [task.spec.key for task in tasks]
    assert len(seen) == len(tasks)
    assert run_all(tasks, path, engine, progress=seen.append) == (0, [])
    assert engine.ran == tasks
    assert remaining(tasks, path) == []


def test_a_half_written_last_line_is_run_again(tasks: list[Task], path: Path) -> None:
    run_all(tasks[:2], path, Here(), progress=lambda _: None)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    engine = Here()
    assert run_all(tasks[:2], path, engine, progress=lambda _: None) == (1, [])
    assert engine.ran == tasks[1:2]
    assert [one.key for one in read_labels(path)] == [task.spec.key for task in tasks[:2]]


def test_a_failed_image_is_listed_and_tried_again_next_time(tasks: list[Task], path: Path) -> None:
    seen = list[Label | str]()
    spec = tasks[1].spec
    listed = [f"{spec.family}/{spec.drawing} at {spec.longest} px: it is cursed"]
    assert run_all(tasks, path, Here(spec.drawing), progress=seen.append) == (len(tasks) - 1, listed)
    assert [one for one in seen if isinstance(one, str)] == listed
    assert run_all(tasks, path, Here(), progress=seen.append) == (1, [])


def test_a_damaged_file_stops_before_anything_runs_and_stays_as_it_is(tasks: list[Task], path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"key": 1}\n')
    engine = Here()
    with pytest.raises(LabelsDamaged, match="line 1"):
        run_all(tasks, path, engine, progress=lambda _: None)
    assert engine.ran == []
    assert path.read_bytes() == b'{"key": 1}\n'


def test_whatever_ends_a_run_ends_the_engine_and_keeps_what_was_done(tasks: list[Task], path: Path) -> None:
    engine = Here()

    def stop(_: Label | str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(tasks, path, engine, progress=stop)
    assert engine.closed
    assert [one.key for one in read_labels(path)] == [tasks[0].spec.key]
    assert msgspec.json.decode(path.read_bytes().splitlines()[0])["key"] == tasks[0].spec.key


def test_where_nothing_works_nothing_is_gone_on_with(
    tasks: list[Task], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training._engine.PATIENCE", 3)
    cursed = [task.spec.drawing for task in tasks]
    engine = Here(*cursed)
    with pytest.raises(NothingWorks, match=r"the first 3 images all failed, the last one was shapes/.*it is cursed"):
        run_all(tasks, path, engine, progress=lambda _: None)
    assert len(engine.ran) == 3
    assert engine.closed
    # With one label made, now or before, images fail for reasons of their own.
    assert len(run_all(tasks, path, Here(*cursed[1:]), progress=lambda _: None)[1]) == len(tasks) - 1
    assert len(run_all(tasks, path, Here(*cursed), progress=lambda _: None)[1]) == len(tasks) - 1


def test_failures_that_cannot_be_listed_stop_the_run(tasks: list[Task], path: Path) -> None:
    class Full(Here):
        def run(self, tasks: Iterable[Task]) -> Results:
            for result in super().run(tasks):
                (path.parent / "label.failures.txt").symlink_to("/dev/full")
                yield result

    with pytest.raises(LabelsUnwritable, match=r"label.failures.txt \(No space left on device\)"):
        run_all(tasks, path, Full(tasks[0].spec.drawing), progress=lambda _: None)
