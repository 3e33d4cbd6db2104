"""The command line as a whole: help, exit codes, what is loaded when, and ends in between."""

import subprocess
import sys
from pathlib import Path

import pytest

from vecroute.cli import main, status

COMMANDS = ("serve", "route", "convert", "evaluate", "status", "warm", "cache")
VECROUTE = (sys.executable, "-m", "vecroute.cli")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"\n    {command} " in said for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_and_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "examples:\n  vecroute " in said
    assert "exit codes:" in said
    assert "--socket" in said


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["paint"], id="unknown command"),
        pytest.param(["route", "--paint", "a.png"], id="unknown option"),
        pytest.param(["status", "--js"], id="abbreviated option"),
        pytest.param(["convert", "a.png"], id="no output"),
        pytest.param(["convert", "a.png", "-o", ""], id="empty output"),
        pytest.param(["convert", "a.png", "-o", "b.svg", "--jobs", "0"], id="no jobs"),
        pytest.param(["convert", "a.png", "-o", "b.svg", "--method", "magic"], id="unknown method"),
    ],
)
def test_nonsense_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--quality-target=2", "--time-budget=0", "--time-budget=nan", "--svg-budget=-1"])
def test_values_out_of_range_end_with_2_and_one_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "a.png", option]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "; give " in said


def test_only_what_a_command_needs_is_loaded() -> None:
    code = (
        "import sys, vecroute.cli; print(*sorted({'numpy', 'rich', 'models', 'converter', 'daemon'} & {*sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "\n"


def test_missing_package_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: object) -> int:
        raise ModuleNotFoundError("No module named 'rich'", name="rich")

    monkeypatch.setattr(status, "run", run)
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "vecroute: rich is not installed; run: pip install 'vecroute[convert]'\n"


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", run)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == "vecroute: stopped\n"


@pytest.mark.parametrize("command", ["route", "evaluate"])
def test_broken_pipe_is_quiet(command: str, images: Path) -> None:
    """The reader is gone before the first line is written."""
    process = subprocess.Popen([*VECROUTE, command, images / "a.png"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 141
    assert [line for line in said.splitlines() if "in this process" not in line and "no export in" not in line] == []


@pytest.mark.parametrize("command", ["route", "evaluate"])
def test_full_disk_is_told(command: str, images: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*VECROUTE, command, images / "a.png"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert "cannot write to standard output (No space left on device)" in done.stderr.decode().splitlines()[-1]


def test_without_standard_output_all_goes_well(images: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *VECROUTE, "route", images / "a.png"], stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_without_standard_error_remarks_do_not_go_among_the_results(images: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *VECROUTE, "route", "--json", images / "a.png", "none.png"],
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 1
    assert [line[:1] for line in done.stdout.splitlines()] == [b"{", b"{"]
