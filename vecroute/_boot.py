"""Which boot of the host this is, and the clock that started with it: shared memory does not outlive a boot."""

import time
from pathlib import Path
from typing import Final

# Realtime jumps, and CLOCK_MONOTONIC stands still while the host sleeps: an hour of sleep makes an entry an hour older.
CLOCK: Final = time.CLOCK_BOOTTIME
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> bytes:
    """Return the 16 bytes that name this boot.

    Raises:
        OSError: /proc is not mounted.
    """
    return bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", ""))


def boot_time() -> int:
    """Return nanoseconds since the boot."""
    return time.clock_gettime_ns(CLOCK)
