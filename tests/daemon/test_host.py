"""Load is the share of busy ticks between two readings; memory is what the kernel calls available."""

from pathlib import Path

import anyio
import pytest

from daemon.host import SMOOTHING, HostSampler
from router import Host


def _write(proc: Path, busy: int, idle: int, available: int = 250) -> None:
    (proc / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n")
    (proc / "meminfo").write_text(f"MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: {available} kB\n")


def test_load_follows_the_share_of_busy_ticks(tmp_path: Path) -> None:
    _write(tmp_path, busy=100, idle=900)
    host = HostSampler(tmp_path)
    assert host.now().system_load == 0
    _write(tmp_path, busy=200, idle=900)
    host.sample()
    assert host.now().system_load == pytest.approx(SMOOTHING)
    _write(tmp_path, busy=200, idle=1000)
    host.sample()
    assert host.now().system_load == pytest.approx(SMOOTHING * (1 - SMOOTHING))


def test_memory_is_the_share_that_is_available(tmp_path: Path) -> None:
    _write(tmp_path, busy=1, idle=1, available=250)
    assert HostSampler(tmp_path).now().resource_availability == 0.25


def test_a_host_that_tells_nothing_counts_as_idle(tmp_path: Path) -> None:
    host = HostSampler(tmp_path)
    host.sample()
    assert (host.now().system_load, host.now().resource_availability) == (0.0, 1.0)


def test_the_speed_is_read_with_the_rest_and_stays_until_the_next_reading(tmp_path: Path) -> None:
    speeds = iter([(), (2.0,) * 4])
    host = HostSampler(tmp_path, speed=lambda: next(speeds))
    assert host.now().speed == ()
    host.sample()
    assert [host.now().speed for _ in range(2)] == [(2.0,) * 4] * 2


@pytest.mark.anyio
async def test_each_reading_is_told_and_the_first_one_at_once(tmp_path: Path) -> None:
    _write(tmp_path, busy=1, idle=1, available=250)
    told: list[Host] = []
    with anyio.move_on_after(0):
        await HostSampler(tmp_path, told.append).run()
    assert [host.resource_availability for host in told] == [0.25]
