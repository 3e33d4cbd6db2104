"""A step that runs tasks: the engine that was asked for, a bar while it works, and what has no label at its end."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from training._engine import Engine, failures_beside, run_all
from training._local import LocalEngine
from training._progress import bar
from training._run import Label, Task
from training.errors import FamilyMissing, Incomplete

EngineName = Literal["local", "ray"]
MOST_SHOWN = 20  # failures at the end of a run; the file beside the labels has them all


def choose_engine(name: EngineName, *, workers: int | None, ray_address: str | None) -> Engine:
    """Return an engine; without a number of workers it uses all processors.

    Raises:
        ExtraMissing: Ray is asked for and not installed.
    """
    if name == "local":
        return LocalEngine(workers or os.cpu_count() or 1)
    # Ray takes seconds to import, and whoever labels on one machine need not have it.
    from training._ray import RayEngine

    return RayEngine(address=ray_address, workers=workers)


def label_all(name: str, tasks: Sequence[Task], path: Path, engine: Engine, missing: Sequence[FamilyMissing]) -> None:
    """Run the tasks that have no label yet; `name` is the step's, `missing` are families that it has to do without.

    Raises:
        Incomplete: families are missing or images failed; all others are labelled.
    """
    with bar(name, len(tasks)) as (progress, row):
        failed = 0

        def known(count: int) -> None:
            progress.reset(row, completed=count)

        def show(what: Label | str) -> None:
            nonlocal failed
            if isinstance(what, str):
                failed += 1
                progress.update(row, description=f"{name}, {failed} failed")
            progress.advance(row)

        done, failures = run_all(tasks, path, engine, progress=show, known=known)
    print(f"{name}: {done} images run now, {len(failures)} failed, {len(tasks)} in all", file=sys.stderr)
    for line in failures[:MOST_SHOWN]:
        print(f"failed: {line}", file=sys.stderr)
    if failures or missing:
        raise Incomplete(name, len(failures), failures_beside(path), missing)
