"""What a Ray worker does with a task: files are unpacked once a machine, and labels are made in a child process.

The child is there because native code may crash or hang. Ray alone would take a crash for a lost machine and try the
image again on others, taking a worker down each time; and a time limit of the driver's own would count from when the
task was queued. A child costs 125 MB and 1.5 s at its start, and serves 400 tasks. It is spawned, not forked: a Ray
worker runs two dozen threads, whose locks a fork would copy as they are.
"""

import ctypes
import functools
import multiprocessing
import os
import signal
from typing import Any

import msgspec

from training._cargo import Cargo, unpack
from training._engine import Failure
from training._local import Job, Workers, outcome
from training._run import Label, Task

_PR_SET_PDEATHSIG = 1  # from linux/prctl.h


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it travels: its folders as cargo by field, its time limit in seconds, and the function that runs it."""

    task: Task
    folders: dict[str, Cargo[Any]]
    timeout: float
    job: Job


def carry_out(order: Order) -> Label | Failure:
    """Run a task on this machine, within its time."""
    here = {name: unpack(cargo, _get) for name, cargo in order.folders.items()}
    task = msgspec.structs.replace(order.task, **here)
    return outcome(_workers(order.timeout, order.job).submit(task))


@functools.cache
def _workers(timeout: float, job: Job) -> Workers:
    """Return this Ray worker's one child process."""
    return Workers(
        1,
        timeout=timeout,
        job=job,
        context=multiprocessing.get_context("spawn"),
        initializer=_end_with,
        initargs=(os.getpid(),),
    )


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, even while native code hangs."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGKILL)


def _get(ref: Any) -> bytes:
    import ray

    data: bytes = ray.get(ref)
    return data
