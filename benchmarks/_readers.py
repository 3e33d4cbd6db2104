"""Readers of the shared cache that are not this process: several in Python at once, and the one in C.

`python -m benchmarks._readers CACHE KEYS SECONDS` is one of the former: it prints the gets it made and the processor
seconds they took.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vecroute import SharedCache
from vecroute._layout import HASH_BYTES

C_SOURCE = Path(__file__).with_name("get.c")
C_HEADERS = Path(__file__).resolve().parents[1] / "vecroute" / "c"


class Read(NamedTuple):
    """What several readers did together: processor seconds of one get, and gets a second of all."""

    seconds: float
    per_second: float


def read_at_once(cache: Path, keys: Path, readers: int, seconds: float, beat: Callable[[], None]) -> Read:
    """Let so many processes read for so long."""
    command = [sys.executable, "-m", "benchmarks._readers", str(cache), str(keys), str(seconds)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(readers)
    ]
    for one in running:
        assert one.stdout is not None
        one.stdout.readline()  # it is ready
    beat()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [one.communicate()[0].split() for one in running]
    gets, taken = sum(int(words[0]) for words in told), sum(float(words[1]) for words in told)
    return Read(taken / gets, gets / seconds)


def read_in_c(directory: Path, cache: Path, keys: Path, rounds: int) -> float | None:
    """Return the seconds of one lookup by the C reader; None: there is no compiler here."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = directory / "get"
    subprocess.run([compiler, "-std=c11", "-O2", f"-I{C_HEADERS}", "-o", program, C_SOURCE], check=True)
    done = subprocess.run([program, cache, keys, str(rounds)], capture_output=True, text=True, check=True)
    return float(done.stdout) / 1e9


def main(arguments: Sequence[str]) -> int:
    """Read when told to, and tell how it went."""
    path, names, seconds = arguments
    data = Path(names).read_bytes()
    keys = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
    with SharedCache.open(path) as cache:
        print("ready", flush=True)
        sys.stdin.readline()
        gets, end, began = 0, time.monotonic() + float(seconds), time.process_time()
        while time.monotonic() < end:
            if None in map(cache.get, keys):
                raise SystemExit("a key that is there was not found")
            gets += len(keys)
        print(gets, time.process_time() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
