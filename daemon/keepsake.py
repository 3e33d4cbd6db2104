"""What a daemon leaves to the next one: small files beside the socket, checked, written in one go, read by us alone."""

import contextlib
import os
import stat
import zlib
from pathlib import Path

_SUM_BYTES = 4


def save(path: Path, magic: bytes, body: bytes) -> None:
    """Write a file that only we may read, in one go; `magic` says what it is, and of which version.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    unready = path.with_name(f"{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(unready, flags, 0o600), "wb") as file:
            file.write(magic + _sum_of(body) + body)
        unready.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            unready.unlink(missing_ok=True)
        raise


def load(path: Path, magic: bytes, most_bytes: int) -> bytes:
    """Return the body that `save` has written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not ours, damaged, or of another version.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_size > most_bytes:
            raise ValueError("it is not a file of ours")
        data = file.read(most_bytes)
    head = len(magic) + _SUM_BYTES
    if data[: len(magic)] != magic or _sum_of(data[head:]) != data[len(magic) : head]:
        raise ValueError("it is damaged or of another version")
    return data[head:]


def _sum_of(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_SUM_BYTES, "little")
