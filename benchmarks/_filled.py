"""Shared caches full of entries for a measurement, written by the daemon's own writer into memory."""

import contextlib
import random
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from daemon.shared import SharedCacheWriter
from router import METHODS, Candidate, ExportInfo, Host, Plan, Prediction
from vecroute import SharedCache
from vecroute._context import SharedContext
from vecroute._entry import CELLS
from vecroute._layout import HASH_BYTES

# A file system in memory, as the daemon's runtime directory is.
MEMORY = Path("/dev/shm")
LIFE = 3600.0
EXPORT = ExportInfo(name="benchmark", version="1", digest="b" * 64, metrics={"mae": 0.01, "pearson": 0.9})
OTHER = ExportInfo(name="benchmark", version="2", digest="c" * 64)
# Distinct predictions; images share plans, so that a reader need not build every one anew.
PREDICTIONS = 64


class Filled:
    """A cache of so many slots, three quarters of them used, and the keys that are in it."""

    def __init__(self, path: Path, entries: int) -> None:
        self.path = path
        self.writer = SharedCacheWriter.open(path, entries, LIFE)
        self.writer.use(SharedContext(export=EXPORT), "onnx")
        self.beat()
        self.predictions = [prediction(seed) for seed in range(PREDICTIONS)]
        wanted = keys(entries, entries * 3 // 4)
        for number, key in enumerate(wanted):
            self.writer.publish(key, self.predictions[number % PREDICTIONS])
        self.beat()
        self.reader = SharedCache.open(path)
        self.keys = [key for key in wanted[-50_000:] if self.reader.get(key) is not None]

    def beat(self) -> None:
        """Tell readers that the daemon lives; they believe it for ten seconds."""
        self.writer.beat(Host(system_load=0.2, resource_availability=0.8))

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        self.path.unlink()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a directory in memory."""
    with tempfile.TemporaryDirectory(prefix="vecroute-bench-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@contextlib.contextmanager
def filled(directory: Path, sizes: Sequence[int]) -> Iterator[dict[int, Filled]]:
    """Give a filled cache of each size."""
    with contextlib.ExitStack() as stack:
        caches: dict[int, Filled] = {}
        for size in sizes:
            caches[size] = Filled(directory / f"{size}.cache", size)
            stack.callback(caches[size].close)
        yield caches


def keys(seed: int, count: int) -> list[bytes]:
    """Return names of images."""
    drawn = random.Random(seed)
    return [drawn.randbytes(HASH_BYTES) for _ in range(count)]


def prediction(seed: int) -> Prediction:
    """Return what a predictor might say: two steps of each method, with plans and numbers of its own."""
    drawn = random.Random(seed)
    candidates = [
        Candidate(
            method=method,
            plan=Plan(
                upscale=upscale,
                mode=drawn.choice(("polygon", "spline")),
                color_precision=drawn.randint(4, 8),
                corner_threshold=drawn.randint(30, 90),
                length_threshold=drawn.randint(7, 20) / 2,
            ),
            quality=_single(0.8 + 0.02 * upscale + drawn.random() / 10),
            quality_error=_single(0.01),
            seconds=_single(0.01 * upscale**2),
            seconds_high=_single(0.02 * upscale**2),
            svg_bytes=_single(1000.0 * upscale * drawn.randint(1, 9)),
            svg_bytes_high=_single(20_000.0 * upscale),
        )
        for method in METHODS
        for upscale in (drawn.randint(1, 2), drawn.randint(3, 4))
    ]
    base = {method: tuple(_single(drawn.random()) for _ in range(CELLS)) for method in METHODS}
    return Prediction(
        candidates=tuple(candidates), base=base, lane="onnx", prediction_seconds=_single(0.001), export=EXPORT
    )


def memory_per_entry(cache: Filled) -> float:
    """Return the bytes that one entry costs all told: the file, a byte of hints and the writer's stamp."""
    beside = 1 + struct.calcsize("Q")
    return cache.path.stat().st_size / cache.writer.entries + beside


def _single(number: float) -> float:
    value: float = struct.unpack("f", struct.pack("f", number))[0]
    return value
