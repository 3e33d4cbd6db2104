"""Images arrive as file descriptors; what may be read from one, and how, without trusting it or blocking the loop."""

import errno
import fcntl
import os
import stat

from router.errors import ImageTooLarge
from vecroute._descriptors import is_memory
from vecroute.errors import InvalidImage

# Up to here an image is read and hashed on the loop (about 0.3 ms); a larger one goes to a thread.
INLINE_BYTES = 256 * 1024
CHUNK_BYTES = 1024 * 1024
_WOULD_BLOCK = frozenset({errno.EAGAIN, errno.EOPNOTSUPP})

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Descriptor:
    """A file descriptor from a client; it closes itself when the last holder lets go, be it the loop or a thread."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        """Close the descriptor; calling it again changes nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


def check(descriptor: Descriptor, max_bytes: int) -> int:
    """Return the size the file claims, bytes.

    Raises:
        InvalidImage: it is no regular file or memfd, is not open for reading, or its file system says no.
        ImageTooLarge: the claim is over the limit already.
    """
    try:
        status = os.fstat(descriptor.fileno())
    except OSError as error:  # a file system of another user's, or one whose server has gone
        raise _unreadable(error.strerror or str(error)) from error
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "no file")
        raise _unreadable(f"it is {kind}")
    flags = fcntl.fcntl(descriptor.fileno(), fcntl.F_GETFL)
    if flags & os.O_PATH or flags & os.O_ACCMODE not in (os.O_RDONLY, os.O_RDWR):
        raise _unreadable("it is not open for reading")
    if status.st_size > max_bytes:
        raise ImageTooLarge(status.st_size, max_bytes, "bytes")
    return status.st_size


def read_nowait(descriptor: Descriptor, size: int) -> bytes | None:
    """Return the whole file if it is small and in memory already, else None: then a thread has to `read` it.

    The offset is our own; the file's is shared with the client. A file is never mapped: a client could truncate it.
    """
    if size > INLINE_BYTES:
        return None
    buffer = bytearray(size + 1)
    try:
        count = os.preadv(descriptor.fileno(), [buffer], 0, 0 if is_memory(descriptor.fileno()) else os.RWF_NOWAIT)
    except OSError as error:
        if error.errno in _WOULD_BLOCK:
            return None
        raise _unreadable(error.strerror or str(error)) from error
    # Fewer bytes: a part was not in memory. One more: the file has grown since.
    return bytes(memoryview(buffer)[:count]) if count == size else None


def read(descriptor: Descriptor, max_bytes: int) -> bytes:
    """Return the whole file, whatever size it claims. Blocks; a file system may even hang here.

    Raises:
        InvalidImage: the file system reports an error.
        ImageTooLarge: there are more bytes than the limit.
    """
    data = bytearray()
    try:
        while chunk := os.pread(descriptor.fileno(), min(CHUNK_BYTES, max_bytes + 1 - len(data)), len(data)):
            data += chunk
            if len(data) > max_bytes:
                raise ImageTooLarge(len(data), max_bytes, "bytes")
    except OSError as error:
        raise _unreadable(error.strerror or str(error)) from error
    return bytes(data)


def _unreadable(reason: str) -> InvalidImage:
    return InvalidImage(f"the descriptor gives no image ({reason}); open the image file for reading and pass that")
