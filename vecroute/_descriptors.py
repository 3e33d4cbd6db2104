"""Images as file descriptors, and descriptors through a Unix stream socket, with the first byte of their message."""

import array
import fcntl
import os
import stat
from collections.abc import Sequence
from socket import MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET, socket

from vecroute.errors import InvalidImage

Image = bytes | str | os.PathLike[str]


def send_some(sock: socket, data: bytes | memoryview, descriptors: Sequence[int] = ()) -> int:
    """Send what fits, descriptors with the first byte, and return how many bytes went; send the rest without them."""
    if not descriptors:
        return sock.send(data, MSG_NOSIGNAL)
    rights = (SOL_SOCKET, SCM_RIGHTS, array.array("i", descriptors))
    return sock.sendmsg((data,), (rights,), MSG_NOSIGNAL)


def close_all(descriptors: Sequence[int]) -> None:
    """Close every descriptor."""
    for descriptor in descriptors:
        os.close(descriptor)


def open_image(image: Image) -> int:
    """Return a descriptor from which the image can be read at offset 0; the caller closes it.

    Raises:
        InvalidImage: the path cannot be opened or is no regular file.
    """
    return _memory_file(image) if isinstance(image, bytes) else _regular_file(image)


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("vecroute-image", os.MFD_CLOEXEC)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _regular_file(path: str | os.PathLike[str]) -> int:
    # O_NONBLOCK: opening a FIFO would otherwise wait for its writer; it means nothing for a regular file.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as exc:
        raise InvalidImage(f"cannot open {os.fspath(path)} ({exc.strerror}); check the path and permissions") from exc
    except ValueError as exc:  # a NUL in the path
        raise InvalidImage(f"cannot open {os.fspath(path)!r} ({exc}); check the path") from exc
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidImage(f"{os.fspath(path)} is no regular file; give an image file or its bytes")
    return descriptor


def read_small(path: str | os.PathLike[str], most: int, *, wait: bool = True) -> bytes | None:
    """Return a file's bytes if there are not more than `most`; without `wait`, only if they are in memory already.

    Raises:
        InvalidImage: the path cannot be opened or is no regular file.
    """
    descriptor = _regular_file(path)
    try:
        size = os.fstat(descriptor).st_size
        if size > most:
            return None
        buffer = bytearray(size + 1)
        count = os.preadv(descriptor, [buffer], 0, 0 if wait or is_memory(descriptor) else os.RWF_NOWAIT)
    except OSError:
        return None  # the daemon, which gets the descriptor, says what is wrong with it
    finally:
        os.close(descriptor)
    # Fewer bytes: a part was not in memory, or the file has shrunk since. One more: it has grown.
    return bytes(memoryview(buffer)[:count]) if count == size else None


def is_memory(descriptor: int) -> bool:
    """Tell whether a file is a memfd or lies on tmpfs, whose reads never wait: only those can have seals."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        return False
    return True
