"""The boot's name and its clock."""

import time
import uuid
from pathlib import Path

from vecroute._boot import boot_id, boot_time


def test_the_boot_is_named_as_the_kernel_names_it() -> None:
    said = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot_id() == uuid.UUID(said).bytes
    assert boot_id() == boot_id()


def test_the_clock_counts_from_the_boot_and_through_sleep() -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before <= boot_time() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
