"""Descriptors: only readable regular files give an image, and reading never trusts their size."""

import errno
import os
import socket
from pathlib import Path

import pytest

from daemon.images import INLINE_BYTES, Descriptor, check, read, read_nowait
from router.errors import ImageTooLarge
from vecroute.errors import InvalidImage


def _memory(data: bytes) -> Descriptor:
    number = os.memfd_create("image")
    os.write(number, data)
    return Descriptor(number)


def _file(path: Path, data: bytes, flags: int = os.O_RDONLY) -> Descriptor:
    path.write_bytes(data)
    return Descriptor(os.open(path, flags))


def test_a_file_and_a_memfd_are_read_from_their_start(tmp_path: Path) -> None:
    for descriptor in (_memory(b"pixels"), _file(tmp_path / "image", b"pixels")):
        os.lseek(descriptor.fileno(), 3, os.SEEK_SET)
        assert check(descriptor, 100) == 6
        assert read_nowait(descriptor, 6) in (b"pixels", None)  # None: the page cache may be empty
        assert read(descriptor, 100) == b"pixels"
        assert os.lseek(descriptor.fileno(), 0, os.SEEK_CUR) == 3  # the client shares this offset


def test_memory_is_always_read_at_once() -> None:
    assert read_nowait(_memory(b"x" * INLINE_BYTES), INLINE_BYTES) == b"x" * INLINE_BYTES
    assert read_nowait(_memory(b""), 0) == b""


def test_a_large_file_is_left_to_a_thread() -> None:
    assert read_nowait(_memory(b"x" * (INLINE_BYTES + 1)), INLINE_BYTES + 1) is None


def test_a_file_that_has_grown_or_shrunk_is_left_to_a_thread() -> None:
    assert read_nowait(_memory(b"longer"), 3) is None
    assert read_nowait(_memory(b"short"), 9) is None


def test_a_file_system_that_may_wait_is_left_to_a_thread() -> None:
    descriptor = Descriptor(os.open("/proc/self/status", os.O_RDONLY))
    assert read_nowait(descriptor, check(descriptor, 100)) is None
    assert read(descriptor, 1_000_000).startswith(b"Name:")


def test_more_bytes_than_claimed_are_counted_while_reading() -> None:
    with pytest.raises(ImageTooLarge):
        read(_memory(b"x" * 11), 10)
    assert read(_memory(b"x" * 10), 10) == b"x" * 10


def test_a_claim_over_the_limit_is_refused_before_reading() -> None:
    with pytest.raises(ImageTooLarge, match="11 bytes"):
        check(_memory(b"x" * 11), 10)


def _directory(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_RDONLY)


def _fifo(tmp_path: Path) -> int:
    os.mkfifo(tmp_path / "fifo")
    return os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)


def _device(_: Path) -> int:
    return os.open("/dev/zero", os.O_RDONLY)


def _socket(_: Path) -> int:
    return socket.socket(socket.AF_UNIX).detach()


def _write_only(tmp_path: Path) -> int:
    (tmp_path / "file").touch()
    return os.open(tmp_path / "file", os.O_WRONLY)


def _path_only(tmp_path: Path) -> int:
    (tmp_path / "file").touch()
    return os.open(tmp_path / "file", os.O_PATH)


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        (_directory, "a directory"),
        (_fifo, "a pipe"),
        (_device, "a device"),
        (_socket, "a socket"),
        (_write_only, "not open for reading"),
        (_path_only, "not open for reading"),
    ],
)
def test_what_is_no_readable_file_is_refused(tmp_path: Path, opened: "object", said: str) -> None:
    assert callable(opened)
    with pytest.raises(InvalidImage, match=said):
        check(Descriptor(opened(tmp_path)), 100)


def test_a_file_system_that_does_not_say_what_it_is_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = _memory(b"x")

    def stale(_: int) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patch:
        patch.setattr("daemon.images.os.fstat", stale)
        with pytest.raises(InvalidImage, match="Stale file handle"):
            check(descriptor, 100)


def test_a_read_error_is_told() -> None:
    with pytest.raises(InvalidImage, match="Is a directory"):
        read(Descriptor(os.open("/", os.O_RDONLY)), 100)


def test_a_descriptor_closes_once_when_let_go() -> None:
    descriptor = _memory(b"x")
    number = descriptor.fileno()
    descriptor.close()
    descriptor.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    number = _memory(b"x").fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
