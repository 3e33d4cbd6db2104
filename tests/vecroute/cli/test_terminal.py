"""What people see."""

import sys

import pytest

from vecroute.cli._terminal import kilobytes, milliseconds, name_of, progress, say


def test_remarks_are_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("two\nlines")
    assert capsys.readouterr() == ("", "vecroute: two lines\n")


def test_names_can_always_be_written() -> None:
    assert name_of("a\udcff.png") == "a\\udcff.png"
    assert name_of("ü.png") == "ü.png"


def test_amounts_for_people() -> None:
    assert [milliseconds(t) for t in (0.0004, 0.0123, 1.26)] == ["0.4 ms", "12 ms", "1.3 s"]
    assert kilobytes(12345) == "12.3 kB"


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working", 3) as advance:
        advance()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("total", "quiet", "shown"), [(3, False, True), (3, True, False), (1, False, False)])
def test_bar_on_a_terminal(
    total: int, quiet: bool, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress("working", total, quiet=quiet) as advance:
        advance()
    said = capsys.readouterr()
    assert said.out == ""
    assert ("working" in said.err) == shown
