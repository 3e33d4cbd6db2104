"""Work for worker processes that ends badly, as native code can."""

import os
import signal

from training._run import Label, Run, Task, label

DOOMED, PANICKING = "shape-3", "shape-4"


def label_or_die(task: Task) -> Label:
    """Label an image; one drawing kills its worker, another panics in native code."""
    if task.spec.drawing == DOOMED:
        os.kill(os.getpid(), signal.SIGKILL)
    if task.spec.drawing == PANICKING:
        # Made here, the class cannot be imported elsewhere: as with a Rust panic.
        raise type("PanicException", (BaseException,), {"__module__": "nowhere"})("a panic")
    return label(task)


def figures(run: Run) -> tuple[object, ...]:
    """Return what a run gives every time: all but its seconds."""
    return run.origin, run.plan, run.quality, run.svg_bytes, run.path_count
