"""Progress is shown on standard error, so that standard output stays for figures."""

import pytest

from training._progress import bar


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("fetch", 3) as (progress, task):
        progress.advance(task, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "fetch" in shown.err
    assert "3/3" in shown.err
