"""A small writer of shared caches that follows the layout to the letter, for the tests of readers."""

import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from router import METHODS, Candidate, Plan, Prediction
from tests.vecroute.builders import EXPORT
from vecroute._boot import boot_id, boot_time
from vecroute._context import SharedContext, block_of, pack_context
from vecroute._entry import CELLS, pack_body, seal
from vecroute._layout import (
    ALIVE,
    AVAILABILITY,
    CONTEXT,
    CONTEXT_BYTES,
    CONTEXT_OFFSET,
    FINGERPRINT,
    HEARTBEAT,
    IDENTITY,
    KIND_PREDICTION,
    LINE,
    SLOT_BYTES,
    SPEED,
    STATUS,
    SYSTEM_LOAD,
    WAYS,
    WORD,
    Geometry,
    geometry_for,
    pack_geometry,
)
from vecroute._placement import EMPTY, set_of, tag_of, ways_of

# A third of what a slot holds behind its sequence: what is stored between two pauses.
PIECE = 232
HOUR = 3_600_000_000_000
FINGERPRINTS = (0x1111111111111111, 0x2222222222222222)


def no_pause() -> None:
    """Go on at once."""


class SegmentWriter:
    """Makes a file and publishes into it, way after way; `pause` runs between any two stores."""

    def __init__(
        self, path: Path, entries: int = 64, *, seed: int = 0x5EED, pause: Callable[[], None] = no_pause
    ) -> None:
        self.path, self.pause = path, pause
        self.geometry: Geometry = geometry_for(
            entries, seed=seed, instance=os.urandom(16), boot=boot_id(), created=boot_time(), writer=os.getpid()
        )
        made = path.with_name(path.name + ".new")
        descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(descriptor, 0, self.geometry.file_bytes)
        self.map = mmap.mmap(descriptor, self.geometry.file_bytes)
        os.close(descriptor)
        self.words = memoryview(self.map).cast("Q")
        self.floats = memoryview(self.map).cast("d")
        self._turns: dict[int, int] = {}
        header = pack_geometry(self.geometry)
        self.map[: len(header)] = header
        self.floats[SYSTEM_LOAD], self.floats[AVAILABILITY] = 0.25, 0.5
        self.words[STATUS] = ALIVE
        self.beat()
        self.swap(FINGERPRINTS[0])
        made.rename(path)

    def beat(self, age_seconds: float = 0.0) -> None:
        """Store a heartbeat that is so old."""
        self.words[HEARTBEAT] = boot_time() - int(age_seconds * 1e9)

    def speed(self, *ratios: float) -> None:
        """Store what each method takes on this host."""
        struct.pack_into("<4f", self.map, SPEED * WORD, *ratios)

    def swap(self, fingerprint: int, context: SharedContext = SharedContext(export=EXPORT)) -> None:  # noqa: B008 - frozen
        """Make the entries of a fingerprint the valid ones."""
        generation = self.words[CONTEXT] + 1
        block = pack_context(context, fingerprint)
        start = CONTEXT_OFFSET + block_of(generation) * CONTEXT_BYTES
        self.map[start : start + len(block)] = block
        self.store(CONTEXT, generation)
        self.store(FINGERPRINT, fingerprint)

    def store(self, word: int, value: int) -> None:
        self.pause()
        self.words[word] = value

    def publish(
        self, key: bytes, said: Prediction, *, lifetime: int = HOUR, kind: int = KIND_PREDICTION, way: int | None = None
    ) -> tuple[int, int]:
        """Write an entry into the next way of its set, then clear the older one; return the set and the way."""
        expiry, fingerprint = max(boot_time() + lifetime, 0), self.words[FINGERPRINT]
        return self.write(key, pack_body(said, key, fingerprint=fingerprint, expiry=expiry, kind=kind), way)

    def write(self, key: bytes, body: bytes, way: int | None = None) -> tuple[int, int]:
        """Publish a body that is packed already."""
        number = set_of(key, self.geometry.seed, self.geometry.sets)
        first, ways = self.geometry.tag_line(number) // WORD, self._ways(number, tag_of(key))
        older = [old for old in ways if old != way and self.map[self.slot(number, old)][IDENTITY] == body[:24]]
        way = self._room(number, older) if way is None else way
        offset = self.geometry.slot(number, way)
        even = self.words[offset // WORD] + 2 & ~1
        slot = seal(body, even)
        self.store(first + way, 0)
        self.store(offset // WORD, even - 1)
        for at in range(WORD, SLOT_BYTES, PIECE):
            self.pause()
            self.map[offset + at : offset + at + PIECE] = slot[at : at + PIECE]
        self.store(offset // WORD, even)
        self.store(first + way, int.from_bytes(tag_of(key), "little"))
        for old in older:
            self.store(first + old, 0)
        return number, way

    def slot(self, number: int, way: int) -> slice:
        """Return where a slot lies in the map."""
        offset = self.geometry.slot(number, way)
        return slice(offset, offset + SLOT_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.words.release()
        self.floats.release()
        self.map.close()

    def _ways(self, number: int, tag: bytes) -> list[int]:
        start = self.geometry.tag_line(number)
        return ways_of(self.map[start : start + LINE], tag)

    def _room(self, number: int, older: list[int]) -> int:
        if empty := self._ways(number, EMPTY):
            return empty[0]
        turn = self._turns.get(number, -1)
        way = next(way for step in range(1, 1 + WAYS) if (way := (turn + step) % WAYS) not in older)
        self._turns[number] = way
        return way


def prediction(marker: float = 0.5, candidates: int = 8, *, base: bool = True) -> Prediction:
    """Return a prediction full of one float32 number, as the context of `SegmentWriter` completes it."""
    return Prediction(
        candidates=tuple(
            Candidate(
                method=METHODS[index % 4], plan=Plan(upscale=1 + index % 8), quality=marker, quality_error=marker,
                seconds=marker, seconds_high=marker, svg_bytes=marker, svg_bytes_high=marker,
            )
            for index in range(candidates)
        ),
        base=dict.fromkeys(METHODS, (marker,) * CELLS) if base else {},
        lane="onnx",
        prediction_seconds=marker,
        export=EXPORT,
    )  # fmt: skip


def wait_long(seconds: float) -> Callable[[], None]:
    """Return a pause that leaves readers time to look between two stores."""
    return lambda: time.sleep(seconds)


class Clock:
    """The boot's clock, which tests move on."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self, _: int) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self.ahead
