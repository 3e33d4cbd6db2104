"""A small writer of shared caches that follows the layout to the letter, for the tests of readers."""

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from router import METHODS, Candidate, Plan, Prediction
from tests.vecroute.builders import EXPORT
from vecroute._boot import boot_id, boot_time
from vecroute._context import SharedContext, block_of, pack_context
from vecroute._entry import CELLS, pack_entry
from vecroute._layout import (
    ALIVE,
    AVAILABILITY,
    CONTEXT,
    CONTEXT_BYTES,
    CONTEXT_OFFSET,
    FINGERPRINT,
    HEARTBEAT,
    KIND_PREDICTION,
    LINE,
    SLOT_BYTES,
    STATUS,
    SYSTEM_LOAD,
    WORD,
    Geometry,
    geometry_for,
    pack_geometry,
)
from vecroute._placement import EMPTY, set_of, tag_of, ways_of

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
        self,
        key: bytes,
        prediction: Prediction,
        *,
        lifetime: int = HOUR,
        kind: int = KIND_PREDICTION,
        way: int | None = None,
    ) -> tuple[int, int]:
        """Write an entry into the next way of its set, then clear the older one; return the set and the way."""
        number = set_of(key, self.geometry.seed, self.geometry.sets)
        start, fingerprint = self.geometry.tag_line(number), self.words[FINGERPRINT]
        older = [w for w in ways_of(self.map[start : start + LINE], tag_of(key)) if w != way]
        if way is None:
            free = ways_of(self.map[start : start + LINE], EMPTY)
            way = free[0] if free else self._next(number, older)
        offset = self.geometry.slot(number, way)
        sequence = self.words[offset // WORD]
        even = sequence + 1 + (sequence + 1) % 2
        slot = pack_entry(
            prediction, key, fingerprint=fingerprint, sequence=even, expiry=boot_time() + lifetime, kind=kind
        )
        tag = start // WORD + way
        self.store(tag, 0)
        self.store(offset // WORD, even - 1)
        self.pause()
        for at in range(WORD, SLOT_BYTES, 232):
            self.map[offset + at : offset + at + 232] = slot[at : at + 232]
            self.pause()
        self.store(offset // WORD, even)
        self.store(tag, int.from_bytes(tag_of(key), "little"))
        for old in older:
            if self._is(number, old, fingerprint, key):
                self.store(start // WORD + old, 0)
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

    def _next(self, number: int, taken: list[int]) -> int:
        while True:
            self._turns[number] = way = (self._turns.get(number, -1) + 1) % 8
            if way not in taken:
                return way

    def _is(self, number: int, way: int, fingerprint: int, key: bytes) -> bool:
        return self.map[self.slot(number, way)][8:32] == fingerprint.to_bytes(8, "little") + key


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
