"""Processes that read while the writer publishes, evicts, swaps, flushes and resizes get right values or none."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.shared import SharedCacheWriter
from router import Host
from tests.daemon.predictions import EXPORT, OTHER, POLICY, key_of, prediction
from tests.daemon.reading import IMAGES
from vecroute._context import SharedContext

LONG = os.environ.get("VECROUTE_LONG") == "1"
READERS, HITS = (4, 2_500_000) if LONG else (2, 20_000)
EXPORTS = (EXPORT, OTHER)


def _turn(writer: SharedCacheWriter, turn: int) -> None:
    """Do for a moment what a busy daemon does in an hour."""
    export = EXPORTS[turn // 8 % 2]
    writer.use(SharedContext(export=export, policy=POLICY), "onnx")
    for number in range(turn % 3, IMAGES, 3):
        writer.publish(key_of(number), prediction(number, turn % 256, export))
    writer.beat(Host())
    if turn % 32 == 31:
        writer.flush()
    if turn % 500 == 499:
        writer.resize(128 if writer.geometry.entries == 256 else 256)


@pytest.mark.timeout(7200 if LONG else 120)
def test_readers_get_right_values_or_none(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    with SharedCacheWriter.open(path, 128, 3600.0) as writer:
        _turn(writer, 0)
        command = [sys.executable, "-m", "tests.daemon.reading", str(path), str(HITS)]
        root = Path(__file__).parents[2]
        readers = [
            subprocess.Popen([*command, str(seed)], cwd=root, stderr=subprocess.PIPE, text=True)
            for seed in range(READERS)
        ]
        for turn in itertools.count(1):
            if all(reader.poll() is not None for reader in readers):
                break
            _turn(writer, turn)
        for reader in readers:
            _, problem = reader.communicate()
            assert reader.returncode == 0, problem
