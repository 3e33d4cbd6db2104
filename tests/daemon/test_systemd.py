"""The units: systemd accepts them, and what they set is what the daemon knows."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon import load_settings
from daemon.service import EXIT_SETTINGS, EXIT_TAKEN

UNITS = Path(__file__).parents[2] / "systemd"
UNIT = UNITS / "vecroute.service"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")


def _values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


@needs_systemd
def test_systemd_accepts_the_unit() -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(UNIT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_hardened() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for vecroute.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= 0.5


def test_the_environment_of_the_unit_is_understood() -> None:
    environment = dict(value.split("=", 1) for value in _values("Environment"))
    settings = load_settings(environment=environment)
    assert settings.socket == Path("/run/vecroute/io.github.vecroute.Router")
    assert settings.socket_mode == "0666"
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert float(_values("TimeoutStopSec")[0]) > settings.drain_seconds


def test_exit_codes_that_a_restart_cannot_change_do_not_restart() -> None:
    assert _values("RestartPreventExitStatus") == [f"{EXIT_SETTINGS} {EXIT_TAKEN}"]


def test_the_user_of_the_unit_is_made_by_sysusers() -> None:
    line = (UNITS / "sysusers.d" / "vecroute.conf").read_text(encoding="utf-8").splitlines()[-1]
    assert line.split()[:2] == ["u", _values("User")[0]]


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed here")
def test_systemd_accepts_the_user(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.d" / "vecroute.conf")], check=True, timeout=30
    )
    assert "vecroute:" in (tmp_path / "etc" / "passwd").read_text()
