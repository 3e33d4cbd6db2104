"""Bytes and file descriptors through a Unix stream socket, and images as descriptors; nothing lost, nothing inherited.

Descriptors ride with the first byte of their message. The kernel merges what was sent apart, so `receive` looks at what
waits and takes no byte beyond one message: descriptors it returns belong to the message whose bytes it returns.
"""

import array
import os
import stat
from collections.abc import Sequence
from socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, MSG_PEEK, SCM_RIGHTS, SOL_SOCKET, socket
from typing import Final

from vecroute.errors import InvalidImage, ProtocolError

Image = bytes | str | os.PathLike[str]

READ_BYTES: Final = 64 * 1024
# Room for descriptors of one message. We need one; a few more let a clumsy client get a clear error.
MAX_DESCRIPTORS: Final = 8
_ROOM: Final = CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)


def receive(sock: socket) -> tuple[bytes, list[int]]:
    """Return the next bytes, of one message only, and the descriptors that came with them; no bytes at the end.

    The caller owns the descriptors. On a non-blocking socket BlockingIOError flies when nothing waits.

    Raises:
        ProtocolError: more descriptors than `MAX_DESCRIPTORS` came; those that arrived are closed.
    """
    waiting = sock.recv(READ_BYTES, MSG_PEEK)
    size = waiting.find(b"\0") + 1 or len(waiting)
    data, ancillary, flags, _ = sock.recvmsg(size or 1, _ROOM, MSG_CMSG_CLOEXEC)
    if not ancillary and not flags & MSG_CTRUNC:
        return data, []
    descriptors = _descriptors_in(ancillary)
    if flags & MSG_CTRUNC:
        close_all(descriptors)
        raise ProtocolError(f"more than {MAX_DESCRIPTORS} file descriptors in one message")
    return data, descriptors


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


def _descriptors_in(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return found.tolist()
