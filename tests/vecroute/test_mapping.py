"""Maps see what is written, keep no descriptor and cannot be written through."""

import gc
import mmap
import os
from pathlib import Path

import pytest

from vecroute._mapping import map_shared

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"first".ljust(2 * PAGE, b"\0") + b"second".ljust(PAGE, b"\0"))
    return tmp_path / "f"


def mapped(path: Path, protection: int = mmap.PROT_READ) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return map_shared(descriptor, 3 * PAGE, protection)
    finally:
        os.close(descriptor)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def regions(path: Path) -> int:
    return sum(line.endswith(str(path)) for line in Path("/proc/self/maps").read_text().splitlines())


def test_a_map_shows_what_others_write(path: Path) -> None:
    found = mapped(path)
    assert found[2 * PAGE : 2 * PAGE + 6] == b"second"
    with path.open("r+b") as file:
        file.write(b"later")
    assert found[:5] == b"later"
    assert found.find(b"second", PAGE) == 2 * PAGE


def test_a_map_for_reading_cannot_be_written(path: Path) -> None:
    found = mapped(path)
    with pytest.raises(TypeError, match="read"):
        found[0] = 1
    assert memoryview(found).readonly


def test_a_map_for_writing_writes_the_file(path: Path) -> None:
    found = mapped(path, mmap.PROT_READ | mmap.PROT_WRITE)
    found[0] = ord("F")
    assert path.read_bytes()[:5] == b"First"


def test_no_descriptor_is_kept(path: Path) -> None:
    before = descriptors()
    found = mapped(path)
    assert descriptors() == before
    assert found[:5] == b"first"


def test_the_memory_goes_with_the_last_reference(path: Path) -> None:
    found = mapped(path)
    view = memoryview(found).cast("Q")
    del found
    assert view[0] & 0xFF == ord("f")
    assert regions(path) == 1
    del view
    gc.collect()
    assert regions(path) == 0


def test_what_cannot_be_mapped_is_an_os_error(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="No such device"):
            map_shared(descriptor, PAGE)
    finally:
        os.close(descriptor)
