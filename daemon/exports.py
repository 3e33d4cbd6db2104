"""The export in service: which one serves, when another takes its place, and why the newest on disk may not."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import structlog

from daemon.memory import give_back_memory
from daemon.pool import Job, Pool
from daemon.settings import Settings
from models import Export, Loaded, builtin, find_exports, load_newest
from vecroute.errors import one_line

_log = structlog.get_logger("daemon.exports")

# Export directories lie right in the models directory; deeper files are none of ours.
DEPTH = 2

Fingerprint = tuple[tuple[str, int, int, int, int], ...]


class Found(msgspec.Struct, frozen=True):
    """What one look at the models directory gave: the state of the files, and what they load to."""

    files: Fingerprint
    loaded: Loaded
    problem: str | None


class Choice(msgspec.Struct, frozen=True):
    """Whether what was found takes over, and why not or what else is wrong."""

    take: bool
    problem: str | None


def choose(current: Export | None, found: Found, directory: Path) -> Choice:
    """Decide whether the newest export that loads takes over; on any doubt the one that serves stays."""
    new = found.loaded
    if current is None:
        return Choice(take=True, problem=found.problem or (None if new.directory else _none_in(directory)))
    if new.directory is None:
        return Choice(take=False, problem=found.problem or _none_in(directory))
    if new.export.info.digest == current.info.digest:
        # The same files may load better than they did, once the host has room or what was not installed.
        return Choice(take=current.degraded and not new.export.degraded, problem=found.problem)
    # An older export must not slip in because a newer one is broken.
    newer = current.created is None or new.export.created is None or new.export.created >= current.created
    return Choice(take=newer or not new.problems, problem=found.problem)


def _none_in(directory: Path) -> str:
    return f"no export in {directory}; put one there"


class Exports:
    """Holds the export that serves. Loading happens in one thread; a swap is one assignment.

    `on_swap` is called at the same moment, with no other task in between.
    """

    def __init__(self, settings: Settings, loader: Pool, on_swap: Callable[[Export], None] = lambda _: None) -> None:
        self._settings = settings
        self._loader = loader
        self._on_swap = on_swap
        self._reloading = anyio.Lock()
        # Who asks while a look is under way is answered by the next one, all of them together.
        self._asked = 0
        self._answered = 0
        self._taken = False
        self._current: Export | None = None
        self.problem: str | None = None
        self.files: Fingerprint = ()

    @property
    def current(self) -> Export:
        assert self._current is not None, "load() comes first"
        return self._current

    async def load(self) -> bool:
        """Look at the models directory and put the right export into service; tell whether it is another one now."""
        self._asked += 1
        mine = self._asked
        async with self._reloading:
            if mine <= self._answered:
                return self._taken
            answered = self._asked
            found = await self._loader.submit(self._look).wait_result()
            self.files = found.files
            choice = choose(self._current, found, self._settings.models)
            self.problem = choice.problem
            if choice.take:
                self._swap(found.loaded.export)
            else:
                self._retire(found.loaded.export)
            self._answered, self._taken = answered, choice.take
            return choice.take

    async def wait_fingerprint(self) -> Fingerprint:
        """Return the state of the files now."""
        job: Job[None, Fingerprint] = self._loader.submit(lambda _: fingerprint(self._settings.models))
        return await job.wait_result()

    def _look(self, _job: Job[None, Found]) -> Found:
        files = fingerprint(self._settings.models)
        try:
            return self._find(files)
        except Exception as error:  # noqa: BLE001 - whatever lies there, what serves goes on serving
            _log.error("cannot look for exports", exc_info=error)
            reason = one_line(f"cannot look for exports ({type(error).__name__}: {error}); see the log and reload")
            return Found(files, Loaded(export=builtin(defaults=None), directory=None), reason)

    def _find(self, files: Fingerprint) -> Found:
        settings = self._settings
        broken = [f"{f.directory}: {f.problem}" for f in find_exports(settings.models) if f.problem]
        loaded = load_newest(settings.models, lanes=settings.lanes, require_verified=settings.require_verified)
        problems = dict.fromkeys((*loaded.problems, *loaded.export.problems, *broken))
        return Found(files, loaded, one_line("; ".join(problems)) or None)

    def _swap(self, export: Export) -> None:
        old, self._current = self._current, export
        self._on_swap(export)
        _log.info("export serves", name=export.info.name, version=export.info.version, lane=export.lane)
        if old is not None:
            self._retire(old)

    def _retire(self, export: Export) -> None:
        """Let the loader thread drop an export: freeing a model takes milliseconds that the loop does not have."""
        last = [export]

        def free(_job: Job[None, None]) -> None:
            last.clear()
            give_back_memory()

        self._loader.submit(free)


def fingerprint(directory: Path, depth: int = DEPTH) -> Fingerprint:
    """Return path, device and inode, size and time of everything in the directory; empty if there is none."""
    try:
        found = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return ()
    entries: list[tuple[str, int, int, int, int]] = []
    for entry in found:
        try:
            status = entry.stat()
        except OSError:
            # It went away under our eyes, or is a link to nowhere; what lies behind it counts all the same.
            entries.append((entry.path, 0, 0, 0, 0))
            continue
        entries.append((entry.path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
        if depth > 1 and stat.S_ISDIR(status.st_mode):
            entries += fingerprint(Path(entry.path), depth - 1)
    return tuple(entries)
