"""The shared cache's one writer: what the daemon knows of images, put where every process of the host can read it."""

import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from daemon.errors import CacheUnusable
from daemon.fingerprint import fingerprint_of
from daemon.recovery import recover
from daemon.segment import Stores, WriterSegment, create, install, lock, open_existing
from daemon.slots import Slots
from daemon.tally import Tally
from daemon.words import Words
from router import Host, Lane, Method, Plan, Prediction
from vecroute._boot import boot_id, boot_time
from vecroute._context import ContextTooLarge, SharedContext, block_of, pack_context, unpack_context
from vecroute._entry import pack_body, plan_key, unpack_entry
from vecroute._layout import (
    ALIVE,
    AVAILABILITY,
    CONTEXT,
    CONTEXT_BYTES,
    CONTEXT_OFFSET,
    CONTEXTS,
    EPOCH,
    FINGERPRINT,
    HEARTBEAT,
    KIND_OFFSET,
    KIND_PLAN,
    KIND_PREDICTION,
    LANE,
    LANES,
    SPEED,
    SPEED_WORDS,
    STATUS,
    SUPERSEDED,
    SYSTEM_LOAD,
    Geometry,
    geometry_for,
)
from vecroute._speed import speed_words

_NS: Final = 1_000_000_000
_HOT: Final = (
    FINGERPRINT,
    CONTEXT,
    HEARTBEAT,
    SYSTEM_LOAD,
    AVAILABILITY,
    LANE,
    EPOCH,
    *range(SPEED, SPEED + SPEED_WORDS),
)
# Everybody who may talk to the daemon may read; nobody else may write.
_NO_WRITE: Final = 0o022


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache holds and has done; counts go on over restarts, `evicted_ages` by powers of two of seconds."""

    entries: int
    capacity: int
    file_bytes: int
    counts: dict[str, int]
    evicted_ages: tuple[int, ...]


# Predictions kept taken apart, about 6 kB each.
MOST_DECODED: Final = 512


class Environment(msgspec.Struct, frozen=True):
    """What the writer takes from outside: nanoseconds since the boot, random bytes, and who stores into the file."""

    clock: Callable[[], int]
    random: Callable[[int], bytes]
    stores: Stores


class SharedCacheWriter:
    """Publishes predictions; one owner, one thread, one process. Nothing is valid before `use` has said for whom."""

    def __init__(self, path: Path, number: int, mode: int, ttl_ns: int, environment: Environment) -> None:
        """`open` does this."""
        self.path = path
        self._lock: int | None = number
        self._mode, self._ttl, self._environment = mode, ttl_ns, environment
        self._clock = environment.clock
        self._context, self._block = SharedContext(), -1
        self._decoded: dict[bytes, Prediction] = {}
        self._lane: Lane = "base"
        self._segment: WriterSegment
        self._slots: Slots
        self._tally: Tally

    @classmethod
    def open(
        cls,
        path: Path,
        entries: int,
        ttl: float,
        mode: int = 0o600,
        *,
        clock: Callable[[], int] = boot_time,
        random: Callable[[int], bytes] = os.urandom,
        stores: Stores = Words,
    ) -> Self:
        """Return the writer of the file at `path` with room for `entries`; what is intact there stays.

        `ttl` in seconds; `mode` as the socket's, without the right to write for others.

        Raises:
            CacheTaken: another process writes there.
            CacheUnusable: no room, no permission.
        """
        writer = cls(path, lock(path), mode & ~_NO_WRITE, round(ttl * _NS), Environment(clock, random, stores))
        try:
            writer._start(entries)
        except BaseException:
            writer._unlock()
            raise
        return writer

    @property
    def geometry(self) -> Geometry:
        return self._segment.geometry

    @property
    def fingerprint(self) -> int:
        """Which entries are valid; 0: none."""
        return self._slots.fingerprint

    @property
    def entries(self) -> int:
        """How many images have room."""
        return self.geometry.entries

    def use(self, context: SharedContext, lane: Lane) -> None:
        """Make valid what this export said with this lane, and nothing else; an earlier export's entries come back.

        Raises:
            ContextTooLarge: readers could not be told about the export; nothing is valid now.
        """
        before = self.fingerprint
        if fingerprint_of(context.export, lane, self._epoch) == before and context == self._context:
            return
        self._swap(context, lane, self._epoch)
        if before not in (0, self.fingerprint):
            self._tally.add("swapped")

    def publish(self, key: bytes, prediction: Prediction) -> bool:
        """Let every process read a prediction; tell whether it is one of the export and lane that serve."""
        return self._put(key, prediction, KIND_PREDICTION)

    def get(self, key: bytes) -> Prediction | None:
        """Return what the export that serves said of an image, and mark its use."""
        return self._get(key, KIND_PREDICTION)

    def publish_plan(self, image_hash: bytes, prediction: Prediction) -> bool:
        """Do the same for one plan: the prediction's only candidate."""
        (candidate,) = prediction.candidates
        return self._put(plan_key(image_hash, candidate.method, candidate.plan), prediction, KIND_PLAN)

    def get_plan(self, image_hash: bytes, method: Method, plan: Plan) -> Prediction | None:
        """Return what one plan was predicted to reach on an image: a prediction with one candidate."""
        return self._get(plan_key(image_hash, method, plan), KIND_PLAN)

    def flush(self) -> int:
        """Make all entries invalid for ever, also after a restart; return how many were valid."""
        valid, epoch = self._held, self._epoch + 1
        if self.fingerprint:
            self._swap(self._context, self._lane, epoch)
        else:
            self._segment.store.store_word(EPOCH, epoch)  # nothing is valid, and so it stays
        self._tally.add("flushed", valid)
        return valid

    def beat(self, host: Host) -> None:
        """Tell readers that the daemon lives and how the host is; to be called once a second."""
        store = self._segment.store
        store.store_word(SYSTEM_LOAD, _float_word(host.system_load))
        store.store_word(AVAILABILITY, _float_word(host.resource_availability))
        for number, word in enumerate(speed_words(host.speed), SPEED):
            store.store_word(number, word)
        store.store_word(HEARTBEAT, self._clock())
        self._tally.show(store)

    def touch(self, slots: Iterable[int]) -> None:
        """Mark uses that readers tell of."""
        self._slots.touch(slots)

    def count(self, name: str, number: int) -> None:
        """Add to one of the layout's `COUNTERS`: what only others know, such as readers' local hits."""
        self._tally.add(name, number)

    def resize(self, entries: int) -> None:
        """Go on in a new file with room for so many; entries used last come along as far as there is room.

        Raises:
            CacheUnusable: no room for the new file; the old one stays in use.
        """
        old, old_slots = self._segment, self._slots
        new = self._create(entries, old.geometry.seed)
        slots = Slots(new, self._tally)
        _copy_head(old, new)
        slots.take_over(old_slots, self._clock(), self._ttl)
        self._revive(new)
        # Before the rename: a reader that looks again in between finds the old file and tries once more later.
        old.store.store_word(STATUS, SUPERSEDED)
        try:
            install(self.path)
        except CacheUnusable:
            self._revive(old)
            _release(new, slots)
            raise
        self._segment, self._slots = new, slots
        _release(old, old_slots)

    def statistics(self) -> Statistics:
        return Statistics(
            entries=self._held,
            capacity=self.geometry.entries,
            file_bytes=self.geometry.file_bytes,
            counts=dict(self._tally.counts),
            evicted_ages=tuple(self._tally.ages),
        )

    def close(self) -> None:
        """Let go of the file; it stays for the next daemon, and readers go on until the heartbeat is old."""
        if self._lock is not None:
            self._tally.show(self._segment.store)
            _release(self._segment, self._slots)
            self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SharedCacheWriter {self.path} {self._held} of {self.geometry.entries}>"

    @property
    def _held(self) -> int:
        return self._slots.held[self.fingerprint] if self.fingerprint else 0

    @property
    def _epoch(self) -> int:
        return self._segment.words[EPOCH]

    def _start(self, entries: int) -> None:
        segment = open_existing(self.path, self._mode, self._environment.stores)
        if segment is None:
            segment = self._create(entries, int.from_bytes(self._environment.random(8), "little"))
            self._revive(segment)
            install(self.path)
        self._segment = segment
        self._tally = Tally(segment.words)
        self._slots = Slots(segment, self._tally)
        found = recover(segment, self._slots, self._clock())
        self._tally.add("recovered", found.kept)
        self._tally.add("dropped", found.dropped)
        self._tally.add("expired", found.expired)
        self._resume()
        if segment.geometry.sets != self._geometry(entries, seed=0).sets:
            self.resize(entries)

    def _resume(self) -> None:
        """Go on with the fingerprint of the last daemon, if its context is there."""
        words, segment = self._segment.words, self._segment
        fingerprint, generation = words[FINGERPRINT], words[CONTEXT]
        if words[LANE] < len(LANES):
            self._lane = LANES[words[LANE]]
        for age in range(CONTEXTS):
            block = block_of(generation - age)
            start = CONTEXT_OFFSET + block * CONTEXT_BYTES
            context = unpack_context(segment.map[start : start + CONTEXT_BYTES], fingerprint)
            if fingerprint and context is not None:
                self._context, self._block, self._slots.fingerprint = context, block, fingerprint
                break
        else:
            segment.store.store_word(FINGERPRINT, 0)
        # Also after a kill in the middle of a resize: the old file is still the one.
        self._revive(segment)

    def _geometry(self, entries: int, seed: int) -> Geometry:
        return geometry_for(
            entries,
            seed=seed,
            instance=self._environment.random(16),
            boot=boot_id(),
            created=self._clock(),
            writer=os.getpid(),
        )

    def _create(self, entries: int, seed: int) -> WriterSegment:
        return create(self.path, self._geometry(entries, seed), self._mode, self._environment.stores)

    def _revive(self, segment: WriterSegment) -> None:
        segment.store.store_word(HEARTBEAT, self._clock())
        segment.store.store_word(STATUS, ALIVE)

    def _put(self, key: bytes, prediction: Prediction, kind: int) -> bool:
        # A run that began before a swap ends after it: what it says belongs to an export that is gone.
        made, serves = prediction.export, self._context.export
        same = (made.digest if made else "") == (serves.digest if serves else "") and prediction.lane == self._lane
        if not self.fingerprint or not same:
            return False
        now = self._clock()
        body = pack_body(prediction, key, fingerprint=self.fingerprint, expiry=now + self._ttl, kind=kind)
        self._slots.put(body, now, self._ttl)
        self._tally.add("published")
        return True

    def _get(self, key: bytes, kind: int) -> Prediction | None:
        copy = self._slots.find(key, self._clock()) if self.fingerprint else None
        return self._unpacked(copy) if copy is not None and copy[KIND_OFFSET] == kind else None

    def _unpacked(self, copy: bytes) -> Prediction | None:
        """Return what a slot's copy holds; what is asked for often is taken apart once."""
        found = self._decoded.get(copy)
        if found is None and (found := _unpacked(copy, self._context)) is not None:
            if len(self._decoded) >= MOST_DECODED:
                self._decoded.clear()
            self._decoded[copy] = found
        return found

    def _swap(self, context: SharedContext, lane: Lane, epoch: int) -> None:
        """Prepare a context block, then change everything by one store of the fingerprint."""
        self._decoded.clear()  # they name the export of the context
        store, words = self._segment.store, self._segment.words
        fingerprint = fingerprint_of(context.export, lane, epoch)
        try:
            packed = pack_context(context, fingerprint)
        except ContextTooLarge:
            self._set_fingerprint(0)
            raise
        generation = words[CONTEXT] + 1
        if block_of(generation) == self._block:  # the one in use, after swaps that were killed half way
            generation += 1
        block = block_of(generation)
        store.store_bytes(CONTEXT_OFFSET + block * CONTEXT_BYTES, packed)
        store.store_word(LANE, LANES.index(lane))
        store.store_word(CONTEXT, generation)
        store.store_word(EPOCH, epoch)
        self._set_fingerprint(fingerprint)
        self._context, self._lane, self._block = context, lane, block

    def _set_fingerprint(self, fingerprint: int) -> None:
        self._segment.store.store_word(FINGERPRINT, fingerprint)
        self._slots.fingerprint = fingerprint

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _copy_head(old: WriterSegment, new: WriterSegment) -> None:
    """Carry over what is not an entry."""
    for number in _HOT:
        new.store.store_word(number, old.words[number])
    contexts = slice(CONTEXT_OFFSET, CONTEXT_OFFSET + CONTEXTS * CONTEXT_BYTES)
    new.store.store_bytes(CONTEXT_OFFSET, old.map[contexts])


def _unpacked(copy: bytes, context: SharedContext) -> Prediction | None:
    try:
        return unpack_entry(copy, context.export, context.reason)
    except (ValueError, IndexError):
        return None  # whole, but of a version that knows other plans


def _release(segment: WriterSegment, slots: Slots) -> None:
    slots.close()
    segment.close()


def _float_word(number: float) -> int:
    return int.from_bytes(struct.pack("<d", number), "little")
