"""Progress is shown on standard error, so that standard output stays for figures."""

import pytest
from rich.progress import Progress

from training._progress import RateColumn, bar


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("fetch", 3) as (progress, task):
        progress.advance(task, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "fetch" in shown.err
    assert "3/3" in shown.err
    assert "left" in shown.err


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        pytest.param(0.1, "10.0/s", id="fast"),
        pytest.param(4.0, "15.0/min", id="slow"),
        pytest.param(None, "-/s", id="not begun"),
    ],
)
def test_the_rate_is_that_of_what_is_run_now(seconds: float | None, shown: str) -> None:
    now = 0.0
    progress = Progress(get_time=lambda: now)
    row = progress.add_task("label", total=100)
    progress.reset(row, completed=60)  # done by an earlier run
    for _ in range(5):
        if seconds is not None:
            now += seconds
            progress.advance(row)
    assert RateColumn().render(progress.tasks[0]).plain == shown
