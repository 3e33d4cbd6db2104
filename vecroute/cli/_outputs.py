"""Where the SVGs go: one name for each image, none twice, and files that are whole or absent."""

import errno
import os
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from vecroute.cli._images import Found, is_directory
from vecroute.cli.errors import CommandError, UsageError

SVG = ".svg"


class Unwritable(CommandError):
    """An output cannot be written."""

    def __init__(self, path: Path, exc: OSError) -> None:
        super().__init__(f"cannot write {path} ({exc.strerror}); check the path, its permissions and the space left")


def is_file_name(output: Path) -> bool:
    """Tell whether `-o` names one SVG file, not a directory."""
    return output.suffix.lower() == SVG and not is_directory(output)


def name_outputs(images: Sequence[Found], output: Path) -> list[Path]:
    """Return the SVG's path for each image: the file named, or a file in the directory, its tree kept.

    Images that would share a name keep their suffix (`logo.png.svg`), and if that is not enough get a number.

    Raises:
        UsageError: one file for several images, or a file where a directory must be.
    """
    if is_file_name(output):
        if len(images) > 1:
            raise UsageError(f"{len(images)} images cannot go to the one file {output}; give a directory")
        return [output] * len(images)
    if os.path.lexists(output) and not is_directory(output):
        raise UsageError(f"{output} is no directory; give a directory, or a file name that ends in {SVG}")
    wanted = Counter(_key(one.below.with_suffix(SVG)) for one in images)
    taken: set[str] = set()
    return [output / _free(one.below, wanted, taken) for one in images]


def check_writable(path: Path) -> None:
    """Make sure that a file could be written, before long work is done for it; its directory is made.

    Raises:
        Unwritable: the directory cannot be made or written to, or the path is a directory.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as exc:
        raise Unwritable(path, exc) from exc


def write_whole(path: Path, text: str) -> None:
    """Write a file so that others only ever see all of it, or what was there before.

    Raises:
        Unwritable: the directory or file cannot be written.
    """
    waiting = path.parent / f".vecroute-{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            waiting.write_text(text, encoding="utf-8")
            os.replace(waiting, path)  # noqa: PTH105 - `Path.replace` on the line above would hide the pair
        except BaseException:
            waiting.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise Unwritable(path, exc) from exc


def _free(below: PurePath, wanted: Counter[str], taken: set[str]) -> PurePath:
    name = below.with_suffix(SVG)
    if wanted[_key(name)] > 1:
        name = below.with_name(below.name + SVG)
    plain, number = name, 1
    while _key(name) in taken:
        number += 1
        name = plain.with_name(f"{plain.stem}-{number}{SVG}")
    taken.add(_key(name))
    return name


def _key(name: PurePath) -> str:
    """Return what must differ between two names; some file systems ignore case."""
    return os.fspath(name).casefold()
