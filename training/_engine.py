"""What all engines share: tasks already done are passed over, labels are kept as they come, failures are listed."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import msgspec

from training._labelfile import LabelFile, read_labels
from training._run import Label, Task

IMAGE_TIMEOUT = 240.0  # seconds for all runs of one image; the slowest of the first corpus took 100


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
    tasks: Sequence[Task], path: Path, engine: Engine, *, progress: Callable[[Label | str], None]
) -> tuple[int, list[str]]:
    """Run every task not yet in the file, appending one line each; return how many were done, and the failures."""
    failures: list[str] = []
    finished = 0
    waiting = remaining(tasks, path)
    with LabelFile(path) as file, closing(engine.run(waiting)) as results:
        for task, result in results:
            if isinstance(result, Failure):
                failures.append(f"{task.spec.family}/{task.spec.drawing} at {task.spec.longest} px: {result.reason}")
                progress(failures[-1])
            else:
                file.append(result)
                finished += 1
                progress(result)
    return finished, failures
