"""The shared cache's file as its one writer has it: locked, made under another name, never cut short."""

import fcntl
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from daemon.errors import CacheTaken, CacheUnusable
from daemon.words import Words
from vecroute._boot import boot_id
from vecroute._layout import GEOMETRY_BYTES, BadSegment, Geometry, pack_geometry, unpack_geometry

Stores = Callable[[mmap.mmap], Words]

_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_STRANGERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class WriterSegment:
    """A mapped file: `words` and `map` to read from, `store` to write with."""

    __slots__ = ("geometry", "map", "store", "words")

    def __init__(self, mapping: mmap.mmap, geometry: Geometry, stores: Stores) -> None:
        self.map, self.geometry, self.store = mapping, geometry, stores(mapping)
        self.words = memoryview(mapping).cast("Q").toreadonly()

    def close(self) -> None:
        self.store.close()
        self.words.release()
        self.map.close()


def lock(path: Path) -> int:
    """Return a descriptor whose lock makes us the only writer until it is closed.

    The lock file stays: removing it could let two daemons each lock a file of their own.

    Raises:
        CacheTaken: another process writes there.
        CacheUnusable: the lock file cannot be opened.
    """
    name = path.with_name(path.name + ".lock")
    try:
        number = os.open(name, _FLAGS | os.O_CREAT, 0o600)
    except OSError as error:
        raise CacheUnusable(path, f"its lock file cannot be opened ({error.strerror})") from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        raise CacheTaken(path) from None
    return number


def open_existing(path: Path, mode: int, stores: Stores) -> WriterSegment | None:
    """Return the file that an earlier daemon left in this boot, or None if another must take its place."""
    try:
        number = os.open(path, _FLAGS)
    except OSError:
        return None  # absent, a link, or not ours: what cannot be opened is replaced
    try:
        found = os.fstat(number)
        if not _is_ours(found):
            return None
        geometry = unpack_geometry(os.pread(number, GEOMETRY_BYTES, 0), found.st_size)
        if geometry.boot != boot_id():
            return None
        os.fchmod(number, mode)
        return WriterSegment(mmap.mmap(number, found.st_size), geometry, stores)
    except (BadSegment, OSError):
        return None
    finally:
        os.close(number)


def create(path: Path, geometry: Geometry, mode: int, stores: Stores) -> WriterSegment:
    """Return a new file, all zero but for its geometry and not at its path yet; `install` puts it there.

    Raises:
        CacheUnusable: no room, or the directory cannot be written to.
    """
    unready = _unready(path)
    try:
        unready.unlink(missing_ok=True)  # left by a writer that was killed; we hold the lock
        number = os.open(unready, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Reserves every page now: on a full tmpfs a later store would be a SIGBUS.
            os.posix_fallocate(number, 0, geometry.file_bytes)
            os.fchmod(number, mode)
            segment = WriterSegment(mmap.mmap(number, geometry.file_bytes), geometry, stores)
        except OSError:
            unready.unlink()
            raise
        finally:
            os.close(number)
    except OSError as error:
        size = f"{geometry.file_bytes / 1e6:.1f} MB"
        raise CacheUnusable(path, f"a file of {size} cannot be made ({error.strerror})") from error
    segment.store.store_bytes(0, pack_geometry(geometry))
    return segment


def install(path: Path) -> None:
    """Put the file that was made last at its path.

    Raises:
        CacheUnusable: something lies there that cannot be replaced.
    """
    try:
        _unready(path).rename(path)
    except OSError as error:
        _unready(path).unlink(missing_ok=True)
        raise CacheUnusable(path, f"it cannot be replaced ({error.strerror})") from error


def _unready(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _STRANGERS_WRITE
