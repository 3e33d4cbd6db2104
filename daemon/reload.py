"""Reloading: a signal, a call and a change on disk all end in the same place; events of the watcher are only hints."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import anyio
import structlog
import watchfiles

from daemon.exports import Exports, Fingerprint
from daemon.notify import Notifier
from models import Export
from vecroute.errors import ReloadFailed

_log = structlog.get_logger("daemon.reload")


class Reloader:
    """Puts the newest valid export into service and tells the service manager meanwhile."""

    def __init__(self, exports: Exports, notifier: Notifier, describe: Callable[[], str]) -> None:
        self._exports = exports
        self._notifier = notifier
        self._describe = describe

    async def reload(self) -> Export:
        """Return the export that serves now.

        Raises:
            ReloadFailed: the newest one does not pass its checks; the one that served still does.
        """
        self._notifier.reloading()
        try:
            taken = await self._exports.load()
        finally:
            self._notifier.ready(self._describe())
        if self._exports.problem is not None:
            _log.warning("export problem", problem=self._exports.problem, taken=taken)
            if not taken:
                raise ReloadFailed(self._exports.problem)
        return self._exports.current

    async def try_reload(self) -> None:
        """Do the same for those who do not wait for an answer; Status tells what was wrong."""
        try:
            await self.reload()
        except ReloadFailed:
            return


class Watcher:
    """Reloads when the files in the models directory have changed and then rested for one step, seconds."""

    def __init__(self, directory: Path, step: float, recheck: float, exports: Exports, reloader: Reloader) -> None:
        self._directory = directory
        self._step = step
        self._recheck = recheck
        self._exports = exports
        self._reloader = reloader
        self._hint = anyio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with anyio.create_task_group() as tasks:
            ended = anyio.Event()
            tasks.start_soon(_set_when_cancelled, ended)
            tasks.start_soon(self._check)
            await self._listen(ended)

    async def _check(self) -> None:
        """Look at the files on each hint, and now and then without one: some file systems send no events."""
        while True:
            with anyio.move_on_after(self._recheck):
                await self._hint.wait()
            self._hint = anyio.Event()
            if await self._settled() != self._exports.files:
                await self._reloader.try_reload()

    async def _listen(self, ended: anyio.Event) -> None:
        """Turn events into hints; begin anew when another directory has taken the place of the watched one."""
        while True:
            # What changed before a watch stands makes no event. The check runs once the watch waits.
            self._hint.set()
            try:
                await self._listen_to(_identity(self._directory), ended)
            except FileNotFoundError:
                await anyio.sleep(self._recheck)
            except (OSError, RuntimeError, ExceptionGroup) as error:
                # The host may be out of watches, or a file's name no Unicode: RuntimeErrors of watchfiles, those of its
                # thread in a group. Looking now and then finds changes too.
                _log.warning("cannot watch", directory=str(self._directory), reason=str(error))
                await anyio.sleep(self._recheck)

    async def _listen_to(self, watched: tuple[int, int] | None, ended: anyio.Event) -> None:
        events = watchfiles.awatch(
            self._directory,
            watch_filter=None,
            debounce=int(self._step * 4000),
            step=int(self._step * 1000),
            stop_event=ended,
            rust_timeout=int(self._recheck * 1000),
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        async with contextlib.aclosing(events):
            async for _ in events:
                self._hint.set()
                if _identity(self._directory) != watched:
                    return

    async def _settled(self) -> Fingerprint:
        """Return the state of the files once it has stayed the same for one step."""
        before = await self._exports.wait_fingerprint()
        while True:
            if before == self._exports.files:
                return before
            await anyio.sleep(self._step)
            after = await self._exports.wait_fingerprint()
            if after == before:
                return after
            before = after


async def _set_when_cancelled(event: anyio.Event) -> None:
    """Tell the watching thread to end: the wait for it is shielded from cancellation."""
    try:
        await anyio.sleep_forever()
    finally:
        event.set()


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
