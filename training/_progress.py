"""Long work shows a bar with its rate and the time left, and lists what failed."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

# Images differ in cost a hundredfold: seconds taken over the last few say little of the rest.
_SPEED_SECONDS = 300


class RateColumn(ProgressColumn):
    """Steps a second, or a minute where that says more."""

    def render(self, task: Task) -> Text:
        """Return the rate over the last minutes."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("-/s")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{speed * 60:.1f}/min")


_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    RateColumn(),
    TimeElapsedColumn(),
    TextColumn("left"),
    TimeRemainingColumn(),
)


@contextmanager
def bar(description: str, total: int) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar on standard error while the block runs."""
    with Progress(*_COLUMNS, console=Console(stderr=True), speed_estimate_period=_SPEED_SECONDS) as progress:
        yield progress, progress.add_task(description, total=total)
