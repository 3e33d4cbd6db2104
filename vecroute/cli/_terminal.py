"""What people see: results on standard output, remarks and progress on standard error."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from router import Method
from vecroute.cli.errors import CommandError
from vecroute.errors import one_line

Advance = Callable[[], None]


def say(text: str) -> None:
    """Write one remark line to standard error."""
    print(f"vecroute: {one_line(text)}", file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Write one line of the result to standard output at once: whoever reads a pipe need not wait.

    Raises:
        BrokenPipeError: the reader is gone.
        CommandError: it cannot be written, to a full disk say.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as exc:
        leave_standard_output()
        raise CommandError(f"cannot write to standard output ({exc.strerror}); send it somewhere else") from exc


def leave_standard_output() -> None:
    """Send what is still to be written nowhere, so that nothing is tried again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_missing_streams() -> None:
    """Give the process the standard streams it was started without, leading nowhere.

    Python leaves None in their place; `print` would then send remarks among the results.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for as long as we live


def name_of(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be encoded: file names may hold any byte."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


@contextmanager
def progress(description: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """Show a bar on standard error while the block runs, if that is a terminal and there is something to wait for."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # Lines on the same terminal go above the bar; a pipe must get them untouched.
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


def milliseconds(seconds: float) -> str:
    """Return a duration for people."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def speed_text(speed: Mapping[Method, float]) -> str:
    """Return for people how many times the predicted seconds each method takes."""
    known = [f"{method} {ratio:.2f}" for method, ratio in speed.items() if abs(ratio - 1.0) >= 0.005]
    return f"{', '.join(known)} times the predicted seconds" if known else "as predicted"


def kilobytes(count: float) -> str:
    """Return a size for people: 1 kB is 1,000 bytes."""
    return f"{count / 1000:.1f} kB"
