"""A shared cache's file is opened here: who may own it, what its header must say, then it is mapped."""

import mmap
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from vecroute._boot import boot_id
from vecroute._layout import GEOMETRY_BYTES, BadSegment, Geometry, unpack_geometry
from vecroute._mapping import map_shared
from vecroute.errors import one_line

# O_NONBLOCK: opening a FIFO that somebody put there would wait for its writer. On a regular file it changes nothing.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_ROOT: Final = 0


class NoSegment(BadSegment, FileNotFoundError):
    """There is no shared cache at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{one_line(os.fspath(path))} does not exist")


class Segment:
    """A mapped file with its geometry, words (`Q`) and floats (`d`); no descriptor belongs to it."""

    __slots__ = ("floats", "geometry", "map", "words")

    def __init__(self, mapping: mmap.mmap, geometry: Geometry) -> None:
        self.map, self.geometry = mapping, geometry
        self.words = memoryview(mapping).cast("Q")
        self.floats = memoryview(mapping).cast("d")


def trusted_owners(path: Path) -> frozenset[int]:
    """Return whose shared cache is believed: ours, root's and that of the directory's owner."""
    return frozenset((_ROOT, os.geteuid(), path.parent.stat().st_uid))


def open_segment(path: Path, owners: Collection[int] | None = None) -> Segment:
    """Return the shared cache at a path, mapped for reading.

    Raises:
        NoSegment: nothing is there.
        BadSegment: what is there cannot be read, is nobody's whom we trust, or is no shared cache of this boot.
    """
    try:
        owners = trusted_owners(path) if owners is None else owners
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError as exc:
        raise NoSegment(path) from exc
    except OSError as exc:
        raise BadSegment(f"{one_line(os.fspath(path))} cannot be opened ({exc.strerror})") from exc
    try:
        return _map(descriptor, owners)
    except OSError as exc:
        raise BadSegment(f"{one_line(os.fspath(path))} cannot be mapped ({exc.strerror})") from exc
    finally:
        os.close(descriptor)


def _map(descriptor: int, owners: Collection[int]) -> Segment:
    found = os.fstat(descriptor)
    _check_file(found, owners)
    geometry = unpack_geometry(os.pread(descriptor, GEOMETRY_BYTES, 0), found.st_size)
    if geometry.boot != boot_id():
        raise BadSegment("it is from another boot of the host")
    return Segment(map_shared(descriptor, found.st_size), geometry)


def _check_file(found: os.stat_result, owners: Collection[int]) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadSegment("it is not a regular file")
    if found.st_uid not in owners:
        raise BadSegment(f"it belongs to user {found.st_uid}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadSegment("others may write to it")
