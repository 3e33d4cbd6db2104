"""A label file: one JSON line an image, only ever appended to, so that a kill at any moment loses nothing done."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from training._run import Label
from training.errors import LabelsBusy, LabelsDamaged, LabelsUnwritable

_BLOCK = 1 << 16  # bytes


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a JSON-lines file; a half-written last line, left by a kill, is passed over.

    Raises:
        LabelsDamaged: a whole line is no label.
    """
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(Label)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n"):
                try:
                    yield decoder.decode(line)
                except msgspec.MsgspecError as exc:
                    raise LabelsDamaged(
                        path, f"line {number}: {exc}", f"remove that line (sed -i {number}d {path})"
                    ) from exc


class LabelFile:
    """A label file open for appending, by one run at a time; entering it creates the file and its folder.

    Raises:
        LabelsBusy: another run appends to it.
        LabelsUnwritable: it cannot be opened or locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0  # bytes of whole lines

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        except OSError as exc:
            raise LabelsUnwritable(self._path, exc.strerror or str(exc)) from exc
        try:
            self._lock()
            self._end_last_line()
        except OSError as exc:
            self._file.close()
            raise LabelsUnwritable(self._path, exc.strerror or str(exc)) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, label: Label) -> None:
        """Add a label as one whole line, or nothing.

        Raises:
            LabelsUnwritable: there is no room; the lines before it stay as they were.
        """
        line = memoryview(msgspec.json.encode(label) + b"\n")
        end = self._size + len(line)
        try:
            # A disk that fills up takes the first part of a line and refuses the rest.
            while line:
                line = line[self._file.write(line) :]
        except OSError as exc:
            # Where even this fails, the next run drops the half line.
            with suppress(OSError):
                self._file.truncate(self._size)
            raise LabelsUnwritable(self._path, exc.strerror or str(exc)) from exc
        self._size = end

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._file.close()
            raise LabelsBusy(self._path) from exc

    def _end_last_line(self) -> None:
        """Drop a line that a kill cut short, so that the next one starts fresh."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            self._size = _end_of_lines(file, size)
        if self._size != size:
            self._file.truncate(self._size)


def _end_of_lines(file: BinaryIO, size: int) -> int:
    """Return where the last whole line ends, looked for from the end: the file may hold millions of lines."""
    for start in range(max(0, size - _BLOCK), -_BLOCK, -_BLOCK):
        file.seek(max(0, start))
        found = file.read(_BLOCK).rfind(b"\n")
        if found >= 0:
            return max(0, start) + found + 1
    return 0
