"""A client sees to it that the daemon learns what it reads: it holds a connection for as long as it leaves hints."""

import os
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from vecroute._cache_call import CacheCall, NoHints
from vecroute._layout import BadSegment

if TYPE_CHECKING:
    from vecroute._shared_cache import SharedCache

# Seconds between two looks whether the daemon that gave the hints is still there: after a restart it has new ones.
LOOK_PAUSE: Final = 10.0
# Seconds that a reply may take, and until the next try if there are no hints.
RETRY_PAUSE: Final = 60.0


class HintsLease:
    """Asks for hints, attaches them, asks again when the daemon has gone; each step does what can be done at once."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._call: CacheCall | None = None
        self._held = False  # the call was answered, its connection keeps our counter
        self._next_step = self._give_up = 0.0
        self._lock = threading.Lock()
        self._process = os.getpid()

    def step_nowait(self, cache: "SharedCache") -> None:
        """Go one step on if it is time."""
        now = monotonic()
        if now < self._next_step:
            return
        if self._process != os.getpid():
            self._begin_anew()
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._step(cache, now)
        except (NoHints, BadSegment):
            self._drop()
            self._next_step = now + RETRY_PAUSE
        finally:
            self._lock.release()

    def close(self) -> None:
        """Give the counter back."""
        self._next_step = float("inf")
        self._drop()

    def _step(self, cache: "SharedCache", now: float) -> None:
        if self._held and not (cache.has_hints and self._call and self._call.is_connected_nowait()):
            self._drop()
        if not self._held:
            self._ask(cache, now)
        if self._held:
            self._next_step = now + LOOK_PAUSE

    def _ask(self, cache: "SharedCache", now: float) -> None:
        """Send the call, or see whether its reply is there."""
        if self._call is None:
            self._call, self._give_up = CacheCall.start_nowait(self._socket), now + RETRY_PAUSE
        given = self._call.receive_nowait()
        if given is not None:
            try:
                self._held = cache.attach_hints(given.descriptor, given.reader)
            finally:
                os.close(given.descriptor)
        elif now > self._give_up:
            raise NoHints("the daemon does not answer")

    def _drop(self) -> None:
        call, self._call, self._held = self._call, None, False
        if call is not None:
            call.close()

    def _begin_anew(self) -> None:
        """After a fork the connection is the parent's, and the lock may be held by a thread that is not here."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._drop()
