"""Images are found by name: files, directories with everything below them, and patterns."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path, PurePath

import msgspec

from vecroute.cli.errors import Unreadable

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


class Found(msgspec.Struct, frozen=True):
    """An image file; `below` is its path inside the directory it was found in, or its bare name."""

    path: Path
    below: PurePath


class Missing(msgspec.Struct, frozen=True):
    """A name that leads to no image, and why."""

    path: str
    problem: Unreadable


def find_images(names: Iterable[str]) -> list[Found | Missing]:
    """Return the images that the names lead to, in that order and each once, directories sorted.

    Nothing is opened: whether a file holds an image shows when it is read.
    """
    results = [one for name in names for one in _lead(name)]
    return list({Path(one.path).absolute(): one for one in reversed(results)}.values())[::-1]


def read_image(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        Unreadable: it is no regular file, is too large, or cannot be read.
    """
    from router.pixels import MAX_BYTES

    check_readable(path)
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise Unreadable(f"the image has {size:,} bytes, the limit is {MAX_BYTES:,}; scale it down first")
        return path.read_bytes()
    except OSError as exc:
        raise Unreadable(_cannot(exc)) from exc


def check_readable(path: Path) -> None:
    """Make sure that opening a path cannot block or mislead: a FIFO would wait for its writer.

    Raises:
        Unreadable: it does not exist or is no regular file.
    """
    try:
        regular = path.is_file()
        path.stat()
    except (OSError, ValueError) as exc:
        raise Unreadable(_cannot(exc)) from exc
    if not regular:
        raise Unreadable("is no regular file; give an image file or a directory of them")


def is_directory(path: Path) -> bool:
    """Tell whether a path is a directory; one that cannot be looked at is none, and fails when it is used."""
    return os.path.isdir(path)  # noqa: PTH112 - `Path.is_dir` raises on names too long and on what is forbidden


def _lead(name: str) -> list[Found | Missing]:
    if not name:  # `Path` would take it for the current directory, and so all that lies below that
        return [Missing(name, Unreadable("the name is empty; give an image file, a directory or a pattern"))]
    path = Path(name)
    if is_directory(path):
        return _walk(path)
    if glob.has_magic(name) and not os.path.lexists(path):
        matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207 - from "/" or "." alike
        found = [one for match in matches for one in (_walk(match) if is_directory(match) else [_file(match)])]
        return found or [Missing(name, Unreadable("no file matches this pattern; check it"))]
    return [_file(path)]


def _file(path: Path) -> Found | Missing:
    try:
        check_readable(path)
    except Unreadable as exc:
        return Missing(os.fspath(path), exc)
    return Found(path, PurePath(path.name))


def _walk(directory: Path) -> list[Found | Missing]:
    """Return all images below a directory, and what below it cannot be looked into."""
    found: list[Found | Missing] = []
    problems: list[Found | Missing] = []

    def problem(exc: OSError) -> None:
        problems.append(Missing(os.fspath(exc.filename), Unreadable(_cannot(exc))))

    for root, folders, files in os.walk(directory, onerror=problem):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(root, name) for name in sorted(files) if not name.startswith(".")):
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                found += [Found(path, path.relative_to(directory))] if path.is_file() else []
            except OSError as exc:  # its directory may be listed but not entered
                problems.append(Missing(os.fspath(path), Unreadable(_cannot(exc))))
    if found or problems:
        return found + problems
    kinds = ", ".join(sorted(suffix.removeprefix(".") for suffix in SUFFIXES))
    return [Missing(os.fspath(directory), Unreadable(f"the directory holds no image ({kinds}); give another"))]


def _cannot(exc: Exception) -> str:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return f"cannot be read ({reason}); check the path and its permissions"
