"""The host's load, free memory and speed, read once a second and not for each request."""

import time
from collections.abc import Callable
from pathlib import Path

import anyio

from router import Host

SAMPLE_SECONDS = 1.0
# Weight of the newest sample: load that lasts about 3 s counts, one burst does not.
SMOOTHING = 0.3


class HostSampler:
    """Keeps the latest reading; `now` puts the clock to it.

    `speed` tells `Host.speed`; it is read with the rest, so that readers, who are told once a second, decide the same.
    """

    def __init__(
        self,
        proc: Path = Path("/proc"),
        tell: Callable[[Host], None] = lambda _: None,
        speed: Callable[[], tuple[float, ...]] = tuple,
    ) -> None:
        self._proc = proc
        self._tell = tell
        self._ask_speed = speed
        self._speed = speed()
        self._load = 0.0
        self._available = 1.0
        self._busy, self._total = self._ticks()
        self._read_memory()

    def now(self) -> Host:
        """Return the host as a decision of this moment sees it."""
        return Host(system_load=self._load, resource_availability=self._available, now=time.time(), speed=self._speed)

    def sample(self) -> None:
        """Take one reading: the share of processor time busy since the last one, that of memory free, and the speed."""
        busy, total = self._ticks()
        if total > self._total:
            share = min(max((busy - self._busy) / (total - self._total), 0.0), 1.0)
            self._load += SMOOTHING * (share - self._load)
        self._busy, self._total = busy, total
        self._read_memory()
        self._speed = self._ask_speed()

    async def run(self) -> None:
        """Sample, and tell of each reading, until cancelled."""
        while True:
            self._tell(self.now())
            await anyio.sleep(SAMPLE_SECONDS)
            self.sample()

    def _ticks(self) -> tuple[int, int]:
        """Return busy and total clock ticks of all processors since boot; zeros where /proc does not tell."""
        fields = self._read("stat").partition("\n")[0].split()[1:9]
        if len(fields) < 5 or not all(f.isdigit() for f in fields):
            return 0, 0
        user, nice, system, idle, waiting, *rest = (int(f) for f in fields)
        busy = user + nice + system + sum(rest)
        return busy, busy + idle + waiting

    def _read_memory(self) -> None:
        sizes = {}
        for line in self._read("meminfo").splitlines():
            name, _, rest = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                sizes[name] = float(rest.split()[0])
        if sizes.get("MemTotal"):
            self._available = min(max(sizes.get("MemAvailable", 0.0) / sizes["MemTotal"], 0.0), 1.0)

    def _read(self, name: str) -> str:
        try:
            return (self._proc / name).read_text(encoding="ascii")
        except OSError:
            return ""  # a container may hide it; then the host counts as idle
