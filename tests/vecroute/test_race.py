"""Readers beside a writer that never rests never see a wrong value: Python's and the C one, at once and slowed down."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.vecroute.c_reader import RACE, compile_c, needs_compiler
from tests.vecroute.race import KEYS
from vecroute import image_hash

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("VECROUTE_LONG") == "1"
READERS = 4
READS = 10_000_000 if LONG else 1_000_000
SLOW_READS = READS // 10
PAUSE = 0.00002  # seconds between two stores, about ten times what a store takes
LIMIT = 1200 if LONG else 120
# Counting the lines of these programs would take longer than running them.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}

pytestmark = pytest.mark.timeout(LIMIT + 30)


def start(*command: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def python(*arguments: str | Path) -> subprocess.Popen[str]:
    return start(sys.executable, "-m", "tests.vecroute.race", *arguments)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "keys").write_bytes(b"".join(image_hash(bytes([number])) for number in range(KEYS)))
    return tmp_path / "keys"


@contextmanager
def writing(cache: Path, keys: Path, pause: float) -> Iterator[None]:
    """Have a process write until the block ends."""
    with python("write", cache, keys, str(pause)) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        yield
        published, _ = writer.communicate("", timeout=LIMIT)
        assert writer.returncode == 0
        assert int(published) > 0


def outcome(readers: list[subprocess.Popen[str]]) -> tuple[int, int]:
    """Return how many reads hit and how many of them were wrong."""
    said = [reader.communicate(timeout=LIMIT)[0].split() for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * len(readers)
    return sum(int(hits) for hits, _, _ in said), sum(int(wrong) for _, _, wrong in said)


@pytest.mark.parametrize(
    ("pause", "reads"), [pytest.param(0.0, READS, id="fast"), pytest.param(PAUSE, SLOW_READS, id="slow")]
)
def test_no_reader_sees_a_wrong_value(tmp_path: Path, keys: Path, pause: float, reads: int) -> None:
    cache = tmp_path / "c.cache"
    with writing(cache, keys, pause):
        readers = [python("read", cache, keys, str(reads // READERS)) for _ in range(READERS)]
        assert outcome(readers) == (reads, 0)


@needs_compiler
@pytest.mark.parametrize("pause", [pytest.param(0.0, id="fast"), pytest.param(PAUSE, id="slow")])
def test_no_c_reader_sees_a_wrong_value(tmp_path: Path, keys: Path, pause: float) -> None:
    cache, race = tmp_path / "c.cache", compile_c(RACE, tmp_path / "race")
    with writing(cache, keys, pause):
        readers = [start(race, cache, keys, str(READS // READERS)) for _ in range(READERS)]
        assert outcome(readers) == (READS, 0)
