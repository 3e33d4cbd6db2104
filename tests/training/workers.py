"""Work for worker processes that ends badly, as native code can."""

import ctypes
import functools
import os
import signal
import tempfile
import time
from pathlib import Path

from tests.training.corpora import HELD_OUT, TRAINED, corpus_toml
from training import _corpus
from training._run import Label, Run, Task, label

DOOMED, PANICKING, HANGING = "shape-3", "shape-4", "shape-6"
GOOD = ("shape-0", "shape-1", "shape-2", "shape-5", "shape-7", "shape-8")


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


def label_on_node(task: Task) -> Label:
    """As `label_or_die`, where nothing of the test's process is known; the node's own folder keeps count."""
    home = Path(tempfile.gettempdir())
    _know_tiny_families(home)
    with (home / "ran").open("a") as ran:
        ran.write(f"{task.spec.key}\n")
    return label_or_die(task)


def label_when_told(task: Task) -> Label:
    """As `label_on_node`, but only a node's first image is finished before a file `go` lies in the node's folder."""
    found = label_on_node(task)
    home = Path(tempfile.gettempdir())
    while not (home / "go").exists() and (home / "ran").read_text().split()[0] != found.key:
        time.sleep(0.02)
    return found


@functools.cache
def _know_tiny_families(folder: Path) -> None:
    table = folder / f"corpus-{os.getpid()}.toml"
    table.write_text(corpus_toml(TRAINED, HELD_OUT))
    _corpus.CORPUS_TOML = table
