"""Images become descriptors that can be read from the start, and nothing but regular files does."""

import os
import socket
from pathlib import Path

import pytest

from vecroute._descriptors import Image, open_image, send_some
from vecroute.errors import InvalidImage


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 3_000_000], ids=["empty", "small", "large"])
def test_bytes_become_a_memory_file(data: bytes) -> None:
    descriptor = open_image(data)
    try:
        assert os.pread(descriptor, len(data) + 1, 0) == data
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_path_becomes_an_open_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"data")
    descriptor = open_image(tmp_path / "a")
    try:
        assert os.pread(descriptor, 9, 0) == b"data"
        assert not os.get_inheritable(descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
    finally:
        os.close(descriptor)


def image_path(kind: str, directory: Path) -> Image:
    """Return a path that is no regular file, of the given kind."""
    path = directory / "caf\udce9"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        return "/dev/null"
    elif kind == "NUL":
        return "a\0b"
    return path


@pytest.mark.parametrize("kind", ["missing", "fifo", "loop", "directory", "device", "NUL"])
def test_what_is_no_regular_file_is_an_invalid_image(tmp_path: Path, kind: str) -> None:
    """A FIFO without a writer must not be waited for."""
    with pytest.raises(InvalidImage) as caught:
        open_image(image_path(kind, tmp_path))
    assert str(caught.value).encode()


def test_a_memory_file_that_cannot_be_written_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def fails(descriptor: int, data: memoryview) -> int:
        opened.append(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fails)
    with pytest.raises(OSError, match="No space"):
        open_image(b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_descriptors_ride_with_the_first_byte() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        descriptor = open_image(b"image")
        assert send_some(ours, b"ab", (descriptor,)) == 2
        assert send_some(ours, b"c") == 1
        os.close(descriptor)
        data, received, flags, _ = socket.recv_fds(theirs, 1, 4)
        assert (data, len(received), flags & socket.MSG_CTRUNC) == (b"a", 1, 0)
        assert os.pread(received[0], 9, 0) == b"image"
        os.close(received[0])
        assert theirs.recv(9) == b"bc"
