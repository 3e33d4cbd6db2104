"""A writer that is killed at any store leaves no wrong value for readers and loses no intact entry."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LONG = os.environ.get("VECROUTE_LONG") == "1"
KILLS = 10_000 if LONG else 200


@pytest.mark.timeout(3600 if LONG else 120)
def test_no_kill_gives_a_wrong_value_or_loses_an_intact_entry(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.daemon.kills", str(tmp_path), str(KILLS), "20261125"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert sum(kills.values()) >= KILLS
    assert {"publish", "evict", "use", "flush", "resize", "restart"} == set(kills)
