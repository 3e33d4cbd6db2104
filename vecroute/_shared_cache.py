"""SharedCache answers from the daemon's shared memory, in this process and without a system call."""

import contextlib
import os
import struct
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from router import Candidate, Constraints, Host, Method, Plan, Prediction, RoutingDecision, decide
from router.errors import RouterError
from vecroute import errors
from vecroute._boot import CLOCK, boot_time
from vecroute._entry import plan_key, unpack_entry
from vecroute._hints import Hints
from vecroute._layout import AVAILABILITY, HASH_BYTES, KIND_PLAN, KIND_PREDICTION, SPEED, SYSTEM_LOAD, WORD, BadSegment
from vecroute._lookup import HOT, View, is_kept, look
from vecroute._paths import cache_path, default_socket
from vecroute._segment import Segment, open_segment
from vecroute._speed import SPEED_BYTES, speed_of
from vecroute._statistics import CacheStatistics, statistics_of
from vecroute._wire import PredictReply, candidate_to_wire

# Opening takes some system calls: that often at most, however often a superseded or forsaken file is asked.
REOPEN_NS: Final = 1_000_000_000

_clock: Final = time.clock_gettime_ns
_EVERYTHING: Final = Constraints()
_SPEED: Final = slice(SPEED * WORD, SPEED * WORD + SPEED_BYTES)


class SharedCache:
    """The predictions of the daemon on this host, read where it keeps them.

    A miss (None) is always possible and means: ask the daemon. Threads may share one; it goes on working in the child
    after a fork and after all descriptors are closed. Made by `open`.
    """

    __slots__ = ("__weakref__", "_hints", "_hits", "_lock", "_misses", "_next_open", "_path", "_segment", "_view")

    def __init__(self, path: Path, segment: Segment) -> None:
        self._path = path
        self._segment: Segment | None = segment
        self._view: View | None = None
        self._hints: Hints | None = None
        self._lock = threading.Lock()
        self._next_open = 0
        self._hits = self._misses = 0
        _OPEN.add(self)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Return the cache in a file; by default the one beside `default_socket()`.

        Raises:
            BadSegment: the file cannot be trusted or read, or (`NoSegment`, a FileNotFoundError) is not there.
        """
        where = cache_path(default_socket()) if path is None else Path(path)
        return cls(where, open_segment(where))

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def get(self, hash: bytes) -> Prediction | None:  # noqa: A002 - the word of the interface
        """Return what is predicted of the image with this `image_hash`, or None.

        Raises:
            InvalidValue: the hash has not 16 bytes.
        """
        found = self._find(hash, KIND_PREDICTION)
        return None if found is None else _read(*found)

    def get_plan(self, hash: bytes, method: Method, plan: Plan) -> Candidate | None:  # noqa: A002 - as above
        """Return what is predicted of one plan on an image, as `Predict` computed it, or None.

        Raises:
            InvalidValue: the hash has not 16 bytes.
        """
        found = self._find_plan(hash, method, plan)
        return None if found is None else found[1].candidates[0]

    def predict(self, hash: bytes, method: Method, plan: Plan) -> PredictReply | None:  # noqa: A002 - as above
        """Return the same as the daemon's answer, with the lane and export that made it, or None.

        Raises:
            InvalidValue: the hash has not 16 bytes.
        """
        found = self._find_plan(hash, method, plan)
        if found is None:
            return None
        view, said = found
        return candidate_to_wire(said.candidates[0], said.lane, said.export, _speed_in(view))

    def decide(self, hash: bytes, constraints: Constraints = _EVERYTHING) -> RoutingDecision | None:  # noqa: A002
        """Return the decision that the daemon would take on an image now, or None.

        Raises:
            InvalidValue: the hash has not 16 bytes, or the one method allowed offers no plan.
        """
        found = self._find(hash, KIND_PREDICTION)
        if found is None or (prediction := _read(*found)) is None:
            return None
        view, floats = found[0], found[0].segment.floats
        host = Host(
            system_load=floats[SYSTEM_LOAD],
            resource_availability=floats[AVAILABILITY],
            now=time.time(),
            speed=_speed_in(view),
        )
        try:
            decision = decide(prediction, constraints, host, view.context.policy)
        except RouterError as exc:
            raise errors.from_router(exc) from exc
        return msgspec.structs.replace(decision, cache="local")

    def attach_hints(self, descriptor: int, reader: int | None) -> bool:
        """Tell the daemon from now on what is used; the descriptor (of the `Cache` call) stays the caller's.

        Returns whether they belong to the file that is open: after a resize they have to be asked for again.

        Raises:
            BadSegment: it is no sealed memfd of the right size.
        """
        segment = self._segment
        if segment is None:
            return False
        self._hints = Hints(descriptor, segment.geometry.entries, reader)
        self._view = None
        return True

    @property
    def has_hints(self) -> bool:
        """Whether the daemon learns what is used."""
        return self._hints is not None

    def statistics(self) -> CacheStatistics:
        """Return what the cache says of itself and what this reader found in it.

        Raises:
            CacheClosed: after `close`.
        """
        segment = self._segment
        if segment is None:
            raise CacheClosed
        return statistics_of(self._path, segment, boot_time(), hits=self._hits, misses=self._misses)

    def close(self) -> None:
        """Let the file go; from now on all is a miss. The memory is unmapped when no thread reads it any more."""
        self._segment = self._view = self._hints = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._segment is None else f"hits={self._hits} misses={self._misses}"
        return f"<SharedCache {os.fspath(self._path)!r} {state}>"

    def _find_plan(self, hash: bytes, method: Method, plan: Plan) -> tuple[View, Prediction] | None:  # noqa: A002
        _check(hash)
        found = self._find(plan_key(hash, method, plan), KIND_PLAN)
        said = None if found is None else _read(*found)
        return None if found is None or said is None else (found[0], said)

    def _find(self, key: bytes, kind: int) -> tuple[View, bytes] | None:
        """Return the checked copy of a slot with the view it was found in."""
        now = _clock(CLOCK)
        view = self._view
        if view is None or now >= view.alive_until or view.map[HOT] != view.hot:
            view = self._look(now)
        if view is not None:
            try:
                slot = view.find(key, kind, now)
            except struct.error:
                _check(key)
                raise
            if slot is not None:
                self._hits += 1
                return view, slot
        _check(key)
        self._misses += 1
        return None

    def _look(self, now: int) -> View | None:
        """Return the view of the file as it is now, of a new file where this one was given up."""
        segment = self._segment
        if segment is not None and not is_kept(segment, now):
            self._reopen(segment, now)
            segment = self._segment
        self._view = view = None if segment is None else look(segment, now, self._hints)
        return view

    def _reopen(self, old: Segment, now: int) -> None:
        """Take the file that is at the path now, if it is another one; at most once in `REOPEN_NS`."""
        if now < self._next_open or not self._lock.acquire(blocking=False):
            return
        try:
            if now < self._next_open or self._segment is not old:
                return
            self._next_open = now + REOPEN_NS
            with contextlib.suppress(BadSegment):  # no daemon yet: the next second may bring one
                found = open_segment(self._path)
                if found.geometry.instance != old.geometry.instance and self._segment is old:
                    self._hints = None
                    self._segment = found
        finally:
            self._lock.release()

    def _after_fork(self) -> None:
        """Begin as another reader: the lock may be held by a thread that is not here, the counter is the parent's."""
        self._lock = threading.Lock()
        self._hints = None
        self._view = None


class CacheClosed(errors.VecrouteError):
    """A question to a cache after its `close`."""

    def __init__(self) -> None:
        super().__init__("the shared cache is closed; open it again")


def _read(view: View, slot: bytes) -> Prediction | None:
    """Return what a checked copy says; None if it is whole but no entry that this version can use."""
    context = view.context
    try:
        prediction = unpack_entry(slot, context.export, context.reason)
    except (ValueError, IndexError):
        return None
    return prediction if prediction.candidates else None


def _speed_in(view: View) -> tuple[float, ...]:
    return speed_of(view.map[_SPEED])


def _check(key: bytes) -> None:
    if len(key) != HASH_BYTES:
        raise errors.InvalidValue("hash", f"the hash has {len(key)} bytes; give the {HASH_BYTES} of image_hash()")


def _begin_anew() -> None:
    for cache in _OPEN:
        cache._after_fork()  # noqa: SLF001 - its own module


_OPEN: Final[weakref.WeakSet[SharedCache]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_begin_anew)
