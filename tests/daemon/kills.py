"""A program that has writers of the shared cache killed at every store and looks at what they leave.

`python -m tests.daemon.kills DIRECTORY KILLS SEED`: it forks the writers, so it imports little. It prints how many died
at what, or ends with a traceback if a reader could get a wrong value or an intact entry was lost.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from daemon.fingerprint import fingerprint_of
from daemon.shared import SharedCacheWriter
from router import ExportInfo, Prediction
from tests.daemon.dying import DyingWords, Entry, look, turn_of
from tests.daemon.predictions import EXPORT, OTHER, POLICY, key_of, prediction
from vecroute import SharedCache
from vecroute._context import SharedContext

IMAGES: Final = 160  # more than room, so that entries are evicted
TTL: Final = 3600.0
SIZES: Final = (64, 128, 32)  # multiples: growing never splits a set's entries unevenly, so it loses none
HEAD_STORES, ENTRY_STORES, LAST_STORES = 11, 3, 3  # of a resize

Work = Callable[[SharedCacheWriter], object]


@lru_cache(maxsize=8192)
def _said(number: int, turn: int, other: bool) -> Prediction:
    return prediction(number, turn, OTHER if other else EXPORT)


class World:
    """One file, a reader that keeps its old mapping, and the turns that each entry may have: those published last."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.path, self.random = directory / "cache", Random(seed)
        self.kills: Counter[str] = Counter()
        self.may: dict[Entry, set[int]] = {}
        self.exports: dict[int, ExportInfo] = {}
        self.epochs: dict[int, int] = {}
        self.export, self.turn, self.size = EXPORT, 0, SIZES[0]
        with self._open():
            self.reader = SharedCache.open(self.path)

    def round(self, name: str, store: int) -> bool:
        """Have a writer killed at a store of one thing and look at what is left; tell whether it had so many."""
        self._fill()
        before = set(self.may)
        work, losses = getattr(self, f"_{name}")()
        killed = self._kill(name, store, work)
        self._check(before, losses)
        return killed

    def _publish(self) -> tuple[Work, int]:
        """Publish anew what is there; another entry may have to make room."""
        return self._publishing(there=True), 1

    def _evict(self) -> tuple[Work, int]:
        """Publish what is not there; in most sets another entry has to make room."""
        return self._publishing(there=False), 1

    def _publishing(self, *, there: bool) -> Work:
        fingerprint = look(self.path).fingerprint
        known = [n for n in range(IMAGES) if ((fingerprint, key_of(n)) in self.may) == there]
        number, turn = self.random.choice(known), self._next_turn()
        self.may.setdefault((fingerprint, key_of(number)), set()).add(turn)
        return lambda writer: writer.publish(key_of(number), prediction(number, turn, self.export))

    def _use(self) -> tuple[Work, int]:
        other = SharedContext(export=OTHER if self.export is EXPORT else EXPORT, policy=POLICY)
        return lambda writer: writer.use(other, "onnx"), 0

    def _flush(self) -> tuple[Work, int]:
        return lambda writer: writer.flush(), 0

    def _resize(self) -> tuple[Work, int]:
        size = self.random.choice([size for size in SIZES if size != self.size])
        return lambda writer: writer.resize(size), len(self.may) if size < self.size else 0

    def resize_store(self) -> int:
        """Return a store of a resize, often one of the last: they take the old file out of service."""
        last = HEAD_STORES + ENTRY_STORES * len(self.may) + LAST_STORES
        return self.random.choice((self.random.randint(1, last), last - self.random.randrange(LAST_STORES + 1)))

    def _fill(self) -> None:
        """Do what a daemon does that lives for a while."""
        with self._open() as writer:
            before = writer.fingerprint
            writer.use(SharedContext(export=self.export, policy=POLICY), "onnx")
            if before:
                assert self.epochs[writer.fingerprint] >= self.epochs[before], "a flush was taken back"
            for number in self.random.sample(range(IMAGES), 24):
                turn = self._next_turn()
                self.may.setdefault((writer.fingerprint, key_of(number)), set()).add(turn)
                assert writer.publish(key_of(number), prediction(number, turn, self.export))
        self._take_note()

    def _take_note(self) -> None:
        """A writer has ended in peace: what is there now is all that may be there."""
        left = look(self.path)
        assert left.tagged == set(left.intact), "an intact entry without a tag"
        for entry, turns in left.intact.items():
            assert len(turns) == 1, "two entries of one identity"
            assert turns <= self.may[entry], "a value that nobody has published"
        self.may = left.intact
        for export in (EXPORT, OTHER):
            for epoch in (left.epoch, left.epoch + 1):
                fingerprint = fingerprint_of(export, "onnx", epoch)
                self.exports[fingerprint], self.epochs[fingerprint] = export, epoch
        self.export, self.size = self.exports[left.fingerprint], left.entries

    def _kill(self, name: str, store: int, work: Work | None = None) -> bool:
        """Start a writer that dies at a store of its work, without work at one of its start; tell whether it did."""
        child = os.fork()
        if not child:
            self._die(store, work)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or not status, f"the writer that was to {name} ended with {status}"
        self.kills[name] += killed
        return killed

    def _die(self, store: int, work: Work | None) -> None:
        status = 1
        try:
            DyingWords.left = 0 if work else store
            writer = SharedCacheWriter.open(self.path, self.size, TTL, stores=DyingWords)
            if work:
                DyingWords.left = store
                work(writer)
            status = 0
        finally:
            os._exit(status)

    def _check(self, before: set[Entry], losses: int) -> None:
        self._check_readers()
        left = look(self.path)
        self.size = left.entries
        for entry, turns in left.intact.items():
            assert turns <= self.may[entry], "a value that nobody has published"
        gone = before - set(left.intact)
        assert len(gone) <= losses, f"{len(gone)} entries were lost where {losses} may be"
        if not self.random.randrange(3):
            self._kill("restart", self.random.randint(1, 4))
            self._check_readers()
        with self._open() as writer:
            assert look(self.path).tagged == set(left.intact), "an intact entry was not recovered"
            valid = [key for fingerprint, key in left.intact if fingerprint == left.fingerprint]
            assert writer.statistics().entries == len(valid), "the writer has lost count"
            assert all(writer.get(key) for key in valid), "an intact entry cannot be got"
        self._take_note()
        self._check_readers()

    def _check_readers(self) -> None:
        """Get every image, by the reader that has an old mapping and by a new one."""
        fingerprint = look(self.path).fingerprint
        with SharedCache.open(self.path) as fresh:
            for number in range(IMAGES):
                for reader in (self.reader, fresh):
                    got = reader.get(key_of(number))
                    if got is not None:
                        turn = turn_of(got.prediction_seconds)
                        assert turn in self.may[fingerprint, key_of(number)], "a value that is not the last one"
                        assert got == _said(number, turn, self.exports[fingerprint] is OTHER), "a wrong value"

    def _open(self) -> SharedCacheWriter:
        return SharedCacheWriter.open(self.path, self.size, TTL)

    def _next_turn(self) -> int:
        self.turn = (self.turn + 1) % 256
        return self.turn


def main(directory: Path, kills: int, seed: int) -> None:
    """Kill until it is enough: each thing at its first store, its second, and so on until it survives."""
    world = World(directory, seed)
    stores = dict.fromkeys(("publish", "evict", "use", "flush"), 1)
    while world.kills.total() < kills:
        for name, store in stores.items():
            stores[name] = store + 1 if world.round(name, store) else 1
        world.round("resize", world.resize_store())
    print(msgspec.json.encode(dict(world.kills)).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
