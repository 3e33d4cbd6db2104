"""Freed memory is kept for the next image, and given back when a model goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from daemon.memory import give_back_memory, keep_freed_memory

FAULTS = """
import resource
from daemon.memory import keep_freed_memory
import numpy as np
{first}
for _ in range(5):
    np.ones(2**20, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    arrays = [np.ones(2**20, np.uint8) for _ in range(4)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    """Return how often the kernel had to hand out pages, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_arrays_of_the_next_image_need_no_new_pages() -> None:
    kept, given_back = faults("assert keep_freed_memory()"), faults("")
    assert kept < given_back / 10


def test_giving_back_does_not_raise_and_memory_does_not_grow() -> None:
    before = resident()
    give_back_memory()
    assert resident() <= before + 256


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()
    give_back_memory()
