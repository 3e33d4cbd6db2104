"""The daemon's cache: shared with its clients where the file can be made, in its own memory otherwise."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import anyio
import msgspec
import structlog
from anyio.lowlevel import checkpoint

from daemon.cache import PredictionCache, Store
from daemon.errors import CacheUnusable
from daemon.hints import Hints
from daemon.images import Descriptor
from daemon.settings import Settings
from daemon.shared import SharedCacheWriter
from models import Export
from router import Candidate, Features, Host, Lane, Method, Plan, Prediction
from router.pixels import Sample
from vecroute._context import ContextTooLarge, SharedContext
from vecroute._paths import cache_path
from vecroute._wire import CacheReply, CacheStatus, make_constraints
from vecroute.errors import NoSharedCache

_log = structlog.get_logger("daemon.keeper")

# How often the readers' hints are looked at.
SCAN_SECONDS = 3.0
# Short memory does not take the last of the cache.
LEAST_ENTRIES = 1024


class Reader(Protocol):
    """A client that asks where the shared cache is."""

    def attach(self, descriptor: Descriptor) -> int:
        """Send a descriptor with the reply; return its index there."""

    def at_end(self, work: Callable[[], None]) -> None:
        """Have something done when the client has gone."""


class Keeper:
    """Keeps predictions of the export that serves; `fingerprint` tells whose they are.

    Whoever computes one takes the fingerprint before and gives it back with the result (`keep`): what was computed
    before a swap or a flush must not count after it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own = PredictionCache(settings.cache_entries, settings.cache_ttl)
        self._store: Store = self._own
        self._shared: SharedCacheWriter | None = None
        self._hints: Hints | None = None
        self._cells: dict[Reader, tuple[Hints, int | None]] = {}
        self._context, self._problem = SharedContext(policy=settings.decision_policy()), ""
        self._lane: Lane = "base"
        self._hits = self._misses = self._local_hits = 0
        self._told = (0, 0)

    def open(self) -> None:
        """Open the shared file, or make it; where that cannot be, the daemon's own memory serves."""
        settings = self._settings
        if not settings.cache_shared:
            return
        try:
            self._shared = SharedCacheWriter.open(
                cache_path(settings.socket), settings.cache_entries, settings.cache_ttl, int(settings.socket_mode, 8)
            )
        except CacheUnusable as error:
            self._problem = str(error)
            _log.warning("only the daemon's own cache serves", reason=str(error))
            return
        self._store = self._shared
        self._hints = _hints_for(self._shared)

    def close(self) -> None:
        """Let the file go; it stays."""
        self._tell_counts()
        if self._shared is not None:
            self._shared.close()
            self._shared, self._store = None, self._own

    @property
    def fingerprint(self) -> int:
        return self._store.fingerprint

    def use(self, export: Export) -> None:
        """Answer for this export from now on."""
        self._lane = export.lane
        self._context = SharedContext(export=export.info, policy=self._context.policy, reason=_reason(export))
        self._own.use(self._context, self._lane)
        if self._shared is None:
            return
        try:
            self._shared.use(self._context, self._lane)
        except ContextTooLarge as error:
            self._store, self._problem = self._own, str(error)
            _log.warning("only the daemon's own cache serves", reason=str(error))
        else:
            self._store, self._problem = self._shared, ""

    def get(self, key: bytes) -> Prediction | None:
        """Return what the export says of an image, if it is known."""
        return self._counted(self._store.get(key))

    def has(self, key: bytes) -> bool:
        """Tell whether that is known."""
        return self._store.get(key) is not None

    def get_plan(self, key: bytes, method: Method, plan: Plan) -> Prediction | None:
        """Return what the export says of one plan, as its only candidate, if that is known."""
        return self._counted(self.recall_plan(key, method, plan))

    def recall_plan(self, key: bytes, method: Method, plan: Plan) -> Prediction | None:
        """Return the same for the daemon's own use, which counts as no request."""
        found = self._store.get_plan(key, method, plan)
        return found if found is not None else self._among_candidates(key, method, plan)

    def keep(self, key: bytes, prediction: Prediction, fingerprint: int) -> bool:
        """Keep what was computed, unless for another export, or by base routing for want of time; tell whether."""
        current = self._is_current(prediction.lane, prediction.fallback_reason, fingerprint)
        return current and self._store.publish(key, prediction)

    def keep_plan(self, key: bytes, candidate: Candidate, lane: Lane, fingerprint: int) -> bool:
        """Do the same with what one plan is predicted to reach."""
        context = self._context
        alone = Prediction(
            candidates=(candidate,), lane=lane, export=context.export, fallback_reason=context.reason
        )  # fmt: skip
        return self._is_current(lane, context.reason, fingerprint) and self._store.publish_plan(key, alone)

    def flush(self) -> int:
        """Make all entries invalid; return how many there were."""
        stores: tuple[Store, ...] = (self._own,) if self._shared is None else (self._own, self._shared)
        dropped = {id(store): store.flush() for store in stores}
        return dropped[id(self._store)]

    def describe(self, reader: Reader) -> CacheReply:
        """Return where the shared cache is; the hints go along.

        Raises:
            NoSharedCache: there is none.
        """
        if self._shared is None:
            why = self._problem or "the setting cache-shared is false"
            raise NoSharedCache(f"{why}; ask with Route instead")
        path, entries, hints = str(self._shared.path), self._shared.geometry.entries, self._hints
        if hints is None:
            return CacheReply(path=path, entries=entries)
        cell, index = self._cell_of(reader, hints), reader.attach(hints.descriptor)
        return CacheReply(path=path, entries=entries, hints_file_descriptor=index, reader=cell)

    def beat(self, host: Host) -> None:
        """Tell readers that we live, and how the host is; to be called once a second."""
        self._tell_counts()
        if self._shared is not None:
            self._shared.beat(host)

    async def run(self) -> None:
        """Look at the readers' hints now and then, until cancelled."""
        while True:
            await anyio.sleep(SCAN_SECONDS)
            if self._hints is not None:
                await self.scan(self._hints)

    async def scan(self, hints: Hints) -> None:
        """Mark as used what readers say they used."""
        self._local_hits += (hits := hints.count_hits())
        if self._shared is not None:
            self._shared.count("local_hits", hits)
        for slots in hints.marked():
            if self._shared is None or hints is not self._hints:
                return  # the slots have other numbers now
            self._shared.touch(slots)
            await checkpoint()

    def shed(self) -> None:
        """Give memory back: half of the entries, and what was only kept to save time."""
        capacity = self._store.entries
        entries = max(capacity // 2, min(LEAST_ENTRIES, capacity))
        make_constraints.cache_clear()
        if entries == capacity:
            return
        try:
            self._resize(entries)
        except CacheUnusable as error:
            _log.warning("the cache keeps its size", reason=str(error))
        else:
            _log.info("the cache was made smaller", entries=entries, before=capacity)

    def status(self) -> CacheStatus:
        """Return how the cache does."""
        kept = self._store.statistics()
        shared = self._store is not self._own
        return CacheStatus(
            hits=self._hits,
            misses=self._misses,
            entries=kept.entries,
            capacity=kept.capacity,
            local_hits=self._local_hits if shared else None,
            evicted=kept.counts["evicted"] if shared else None,
            expired=kept.counts["expired"] if shared else None,
            path=str(cache_path(self._settings.socket)) if shared else None,
            problem=self._problem or None,
        )

    def _counted(self, found: Prediction | None) -> Prediction | None:
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    def _is_current(self, lane: Lane, reason: str, fingerprint: int) -> bool:
        current = (self._store.fingerprint, self._lane, self._context.reason)
        return fingerprint != 0 and (fingerprint, lane, reason) == current

    def _among_candidates(self, key: bytes, method: Method, plan: Plan) -> Prediction | None:
        prediction = self._store.get(key)
        if prediction is not None:
            for candidate in prediction.candidates:
                if (candidate.method, candidate.plan) == (method, plan):
                    return msgspec.structs.replace(prediction, candidates=(candidate,), base={})
        return None

    def _cell_of(self, reader: Reader, hints: Hints) -> int | None:
        """Return the reader's counter: one as long as it is connected, however often it asks."""
        before = self._cells.get(reader)
        if before is not None and before[0] is hints:
            return before[1]
        if before is None:
            reader.at_end(partial(self._forget, reader))
        cell = hints.take_cell()
        self._cells[reader] = hints, cell
        return cell

    def _forget(self, reader: Reader) -> None:
        hints, cell = self._cells.pop(reader)
        if cell is not None:
            hints.give_back(cell)

    def _tell_counts(self) -> None:
        now = self._hits, self._misses
        self._store.count("hits", now[0] - self._told[0])
        self._store.count("misses", now[1] - self._told[1])
        self._told = now

    def _resize(self, entries: int) -> None:
        self._own.resize(entries)
        if self._shared is not None:
            self._shared.resize(entries)
            self._hints = _hints_for(self._shared)


def _reason(export: Export) -> str:
    """Return what the export gives as the reason when it has no predictor; it says so of every image."""
    return export.predict(Sample(Features())).fallback_reason if export.lane == "base" else ""


def _hints_for(shared: SharedCacheWriter) -> Hints | None:
    try:
        return Hints(shared.geometry.entries)
    except OSError as error:
        _log.warning("readers cannot tell what they use", reason=error.strerror)
        return None
