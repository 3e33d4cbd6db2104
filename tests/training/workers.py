"""Work for worker processes that ends badly, as native code can."""

import ctypes
import os
import signal

from training._run import Label, Run, Task, label

DOOMED, PANICKING, HANGING = "shape-3", "shape-4", "shape-6"


def label_or_die(task: Task) -> Label:
    """Label an image; one drawing kills its worker, one panics in native code, one never comes back from it."""
    if task.spec.drawing == DOOMED:
        os.kill(os.getpid(), signal.SIGKILL)
    if task.spec.drawing == PANICKING:
        # Made here, the class cannot be imported elsewhere: as with a Rust panic.
        raise type("PanicException", (BaseException,), {"__module__": "nowhere"})("a panic")
    if task.spec.drawing == HANGING:
        # PyDLL keeps the interpreter's lock, as a tracer does that never returns.
        ctypes.PyDLL(None).sleep(1000)
    return label(task)


def figures(run: Run) -> tuple[object, ...]:
    """Return what a run gives every time: all but its seconds."""
    return run.origin, run.plan, run.quality, run.svg_bytes, run.path_count
