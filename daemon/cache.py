"""What a cache of predictions offers, and the one in the daemon's own memory: it serves where no file can be shared."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from daemon.fingerprint import fingerprint_of
from daemon.shared import Statistics
from router import Host, Lane, Method, Plan, Prediction
from vecroute._boot import boot_time
from vecroute._context import SharedContext
from vecroute._entry import plan_key

_NS = 1_000_000_000
# Plans have keys of their own, of another length than images.
_PLAN = b"plan"


class Store(Protocol):
    """A cache that answers for one fingerprint at a time: that of an export, its lane and the flushes so far."""

    @property
    def fingerprint(self) -> int:
        """Whose predictions are answered now; 0: nobody's."""

    @property
    def entries(self) -> int:
        """How many images have room."""

    def use(self, context: SharedContext, lane: Lane) -> None:
        """Answer for another export from now on."""

    def get(self, key: bytes) -> Prediction | None: ...

    def publish(self, key: bytes, prediction: Prediction) -> bool:
        """Keep what the export that serves says of an image; tell whether that was done."""

    def get_plan(self, image_hash: bytes, method: Method, plan: Plan) -> Prediction | None:
        """Return what is predicted of one plan: a prediction with one candidate."""

    def publish_plan(self, image_hash: bytes, prediction: Prediction) -> bool:
        """Keep a prediction with one candidate as what is said of that plan; tell whether that was done."""

    def flush(self) -> int:
        """Make everything invalid and return how much that was."""

    def beat(self, host: Host) -> None:
        """Tell other readers that we live, and how the host is."""

    def count(self, name: str, number: int) -> None:
        """Add to a counter that other readers see."""

    def resize(self, entries: int) -> None:
        """Have room for so many from now on."""

    def statistics(self) -> Statistics: ...

    def close(self) -> None: ...


class PredictionCache:
    """An exact LRU of entries that grow too old after `ttl` seconds; one owner, no lock."""

    def __init__(self, capacity: int, ttl: float, clock: Callable[[], int] = boot_time) -> None:
        self._ttl, self._clock = round(ttl * _NS), clock
        self._entries: OrderedDict[bytes, tuple[int, int, Prediction]] = OrderedDict()
        self._context, self._flushes = SharedContext(), 0
        self._lane: Lane = "base"
        self.entries, self.fingerprint = capacity, 0

    def use(self, context: SharedContext, lane: Lane) -> None:
        self._context, self._lane = context, lane
        self.fingerprint = fingerprint_of(context.export, lane, self._flushes)

    def get(self, key: bytes) -> Prediction | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        fingerprint, expiry, prediction = entry
        if fingerprint != self.fingerprint or expiry <= self._clock():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return prediction

    def publish(self, key: bytes, prediction: Prediction) -> bool:
        self._entries[key] = (self.fingerprint, self._clock() + self._ttl, prediction)
        self._entries.move_to_end(key)
        self.resize(self.entries)
        return True

    def get_plan(self, image_hash: bytes, method: Method, plan: Plan) -> Prediction | None:
        return self.get(_PLAN + plan_key(image_hash, method, plan))

    def publish_plan(self, image_hash: bytes, prediction: Prediction) -> bool:
        (candidate,) = prediction.candidates
        return self.publish(_PLAN + plan_key(image_hash, candidate.method, candidate.plan), prediction)

    def flush(self) -> int:
        dropped = sum(entry[0] == self.fingerprint for entry in self._entries.values())
        self._entries.clear()
        self._flushes += 1
        self.fingerprint = fingerprint_of(self._context.export, self._lane, self._flushes)
        return dropped

    def beat(self, host: Host) -> None:
        """Nobody else reads."""

    def count(self, name: str, number: int) -> None:
        """Nobody else reads."""

    def resize(self, entries: int) -> None:
        self.entries = entries
        while len(self._entries) > entries:
            self._entries.popitem(last=False)

    def statistics(self) -> Statistics:
        return Statistics(entries=len(self._entries), capacity=self.entries, file_bytes=0, counts={}, evicted_ages=())

    def close(self) -> None:
        """Nothing is open."""

    def __repr__(self) -> str:
        return f"<PredictionCache {len(self._entries)} of {self.entries}>"
