"""The shared cache as a client uses it: what it answers needs no daemon; whatever is wrong with it means the daemon."""

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from vecroute._calls import PreparedCall, image_hash
from vecroute._descriptors import read_small
from vecroute._hints_lease import HintsLease
from vecroute._layout import BadSegment
from vecroute._paths import cache_path

if TYPE_CHECKING:
    from vecroute._shared_cache import SharedCache

T = TypeVar("T")

ENVIRONMENT_VARIABLE: Final = "VECROUTE_SHARED_CACHE"
# Images up to here are hashed for a look into the cache, which takes about 1 ms per MB; larger ones are the daemon's.
MOST_BYTES: Final = 8 * 2**20
# The same inside an event loop, which stands still meanwhile.
MOST_BYTES_IN_LOOP: Final = 2**20
# Seconds between two tries to open a file that was not there or no good.
OPEN_PAUSE: Final = 1.0


class LocalCache:
    """Answers calls from the shared cache beside a socket. Nothing here waits for the daemon or fails a call."""

    def __init__(self, socket: Path, *, wanted: bool = True, in_loop: bool = False) -> None:
        self._socket = socket
        self._wanted = wanted and os.environ.get(ENVIRONMENT_VARIABLE) != "0"
        self._most = MOST_BYTES_IN_LOOP if in_loop else MOST_BYTES
        self._wait = not in_loop
        self._cache: SharedCache | None = None
        self._next_open = 0.0
        self._hints = HintsLease(socket)

    def answer_nowait(self, call: PreparedCall[T]) -> T | None:
        """Return what the call would give, or None: ask the daemon.

        Raises:
            InvalidImage: the image's path cannot be opened.
            InvalidValue: the one method asked for offers no plan.
        """
        if call.lookup is None or (cache := self._cache or self._open()) is None:
            return None
        key = call.key or self._key_of(call)
        found = None if key is None else call.lookup(cache, key)
        if found is not None:
            self._hints.step_nowait(cache)
        return found

    def close(self) -> None:
        """Let the file go."""
        self._wanted = False
        self._hints.close()
        if self._cache is not None:
            self._cache.close()

    def _open(self) -> "SharedCache | None":
        """Return the cache if there is one; look for the file only now and then."""
        now = monotonic()
        if not self._wanted or now < self._next_open:
            return None
        self._next_open = now + OPEN_PAUSE
        path = cache_path(self._socket)
        if not os.path.lexists(path):
            return None  # before the import: it takes some milliseconds
        from vecroute._shared_cache import SharedCache

        try:
            self._cache = SharedCache.open(path)
        except BadSegment:
            return None
        return self._cache

    def _key_of(self, call: PreparedCall[T]) -> bytes | None:
        """Return the hash of the call's image, None if it is too large to be read for a look."""
        image = call.image
        assert image is not None
        data = image if isinstance(image, bytes) else read_small(image, self._most, wait=self._wait)
        return None if data is None or len(data) > self._most else image_hash(data)
