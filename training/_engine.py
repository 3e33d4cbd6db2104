"""What all engines share: tasks already done are passed over, labels are kept as they come, failures are listed."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import msgspec

from training._labelfile import LabelFile, read_labels
from training._run import Label, Task
from training.errors import LabelsUnwritable, NothingWorks

IMAGE_TIMEOUT = 240.0  # seconds for all runs of one image; the slowest of the first corpus took 100
# Where the first images all fail, the cause lies elsewhere: a library is missing, a disk is full.
PATIENCE = 50


class Failure(msgspec.Struct, frozen=True):
    """Why an image has no label."""

    reason: str


Results = Generator[tuple[Task, Label | Failure], None, None]


class Engine(Protocol):
    """Something that runs tasks somewhere: each comes back once, with its label or why there is none, in any order."""

    def run(self, tasks: Iterable[Task]) -> Results:
        """Yield results as they finish. Tasks are taken as they are needed; closing the generator ends all work."""
        ...


def remaining(tasks: Iterable[Task], path: Path) -> list[Task]:
    """Return the tasks whose label is not in the file yet.

    Raises:
        LabelsDamaged: a whole line of the file is no label.
    """
    done = {known.key for known in read_labels(path)}
    return [task for task in tasks if task.spec.key not in done]


def run_all(
    tasks: Sequence[Task],
    path: Path,
    engine: Engine,
    *,
    progress: Callable[[Label | str], object],
    known: Callable[[int], object] = lambda _: None,
) -> tuple[int, list[str]]:
    """Run every task not yet in the file, appending one line each; return how many were done, and the failures.

    `known` is told once how many need not be done again, `progress` each label or failure as it comes. Failures also go
    into a file beside the labels, which holds those of the last run.

    Raises:
        LabelsDamaged: a whole line of the file is no label.
        LabelsBusy: another run appends to it.
        LabelsUnwritable: there is no room.
        NothingWorks: one image after another failed, and there is no label yet.
    """
    failures: list[str] = []
    finished = 0
    waiting = remaining(tasks, path)
    known(len(tasks) - len(waiting))
    hopeless = len(waiting) == len(tasks)
    with LabelFile(path) as file, closing(engine.run(waiting)) as results:
        failures_beside(path).unlink(missing_ok=True)
        for task, result in results:
            if isinstance(result, Failure):
                failures.append(f"{task.spec.family}/{task.spec.drawing} at {task.spec.longest} px: {result.reason}")
                _list(failures[-1], failures_beside(path))
                progress(failures[-1])
                if hopeless and len(failures) == PATIENCE:
                    raise NothingWorks(len(failures), failures[-1])
            else:
                file.append(result)
                finished += 1
                hopeless = False
                progress(result)
    return finished, failures


def failures_beside(path: Path) -> Path:
    """Return the file that lists the images without a label."""
    return path.with_suffix(".failures.txt")


def _list(line: str, path: Path) -> None:
    try:
        with path.open("a") as file:
            file.write(f"{line}\n")
    except OSError as exc:
        raise LabelsUnwritable(path, exc.strerror or str(exc)) from exc
