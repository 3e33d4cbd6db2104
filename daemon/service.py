"""The daemon's life in order: lock, listen, load, canary, READY, serve, stop accepting, drain, close."""

import contextlib
import gc
import importlib.util
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from daemon.canary import CANARY
from daemon.channel import MAX_DESCRIPTORS, Channel
from daemon.conversation import Conversation
from daemon.dispatch import Dispatcher
from daemon.errors import DaemonError, NoDecision, SocketTaken
from daemon.exports import Exports
from daemon.flights import Flights
from daemon.host import HostSampler
from daemon.inference import Inference
from daemon.keeper import Keeper
from daemon.listener import Listener, is_passing, listening
from daemon.logs import set_up_logs
from daemon.memory import give_back_memory, keep_freed_memory
from daemon.notify import Notifier
from daemon.outcomes import Outcomes
from daemon.pool import Pool
from daemon.pressure import Pressure, open_watch
from daemon.recent import Recent
from daemon.reload import Reloader, Watcher
from daemon.routing import Routing
from daemon.settings import Settings
from daemon.status import Counters, status
from daemon.warming import Warmer
from models import Export
from router import Constraints, decide
from router.pixels import sample
from vecroute.errors import Overloaded

_log = structlog.get_logger("daemon.service")

EXIT_STOPPED = 0
EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_TAKEN = 3
EXIT_UNFINISHED = 4

# Threads that read files too large or too slow for the loop: a file system that hangs must not stop the models.
READERS = 2
# One look at a time, the frees of those before it and the watcher's: no client can make it more.
LOADER_QUEUE = 64
# Descriptors beside those of clients: models, logs, event loop, files being read.
OWN_DESCRIPTORS = 256
# What is left to the next daemon, in files beside the socket.
RECENT, SPEED = ".recent", ".speed"
# How long to wait before accepting again when the host has run out of descriptors or memory.
PAUSE_SECONDS = 0.1


def serve(settings: Settings) -> int:
    """Run the daemon until it is told to stop; return the exit code."""
    set_up_logs(settings.log_format, settings.log_level)
    keep_freed_memory()
    service: list[Service] = []

    async def run() -> None:
        service.append(Service(settings, Notifier(os.environ)))
        await service[0].run()

    try:
        anyio.run(run, backend_options={"use_uvloop": _has_uvloop()})
    except DaemonError as error:
        _log.error("cannot serve", reason=str(error))
        code = EXIT_TAKEN if isinstance(error, SocketTaken) else EXIT_FAILED
    else:
        code = EXIT_STOPPED if service[0].finished else EXIT_UNFINISHED
    if service and service[0].stuck:
        # The usual way out could wait for a thread that does not end, and aborts if it ends one in native code.
        _log.warning("leaving a thread behind", code=code)
        sys.stderr.flush()
        os._exit(code)
    return code


class Service:
    """Owns every part of the daemon and every task in it."""

    def __init__(self, settings: Settings, notifier: Notifier) -> None:
        self._settings = settings
        self._notifier = notifier
        self._counters = Counters()
        self._stopping = anyio.Event()
        self._conversations: set[Conversation] = set()
        self._pool = Pool("inference", settings.inference_threads, settings.queue_limit)
        self._readers = Pool("reader", READERS, settings.queue_limit)
        self._loader = Pool("loader", 1, LOADER_QUEUE)
        self._cache = Keeper(settings)
        self._exports = Exports(settings, self._loader, self._use)
        self._reloader = Reloader(self._exports, notifier, self._describe)
        self._inference = Inference(self._pool, settings.request_timeout, settings.prediction_deadline)
        self._outcomes = Outcomes(self._cache, settings.drift_rule())
        self._host = HostSampler(tell=self._cache.beat, speed=self._outcomes.speed)
        self._recent = Recent()
        self._warmer = Warmer(self._recent, self._cache, self._exports, self._inference, self._pool)
        self._unfit: DaemonError | None = None
        # Whether every client got its answer, and whether a thread still runs.
        self.finished = True
        self.stuck = False

    async def run(self) -> None:
        """Serve until `stop` is called or a signal comes.

        Raises:
            DaemonError: the socket cannot be had, or no decision can be made.
        """
        settings = self._settings
        with listening(settings.socket, int(settings.socket_mode, 8)) as listener, contextlib.ExitStack() as held:
            _raise_descriptor_limit(settings.max_connections)
            held.callback(self._cache.close)
            self._cache.open()
            self._recall()
            async with anyio.create_task_group() as keepers:
                await keepers.start(self._obey_signals)
                if await self._until_stopping(self._prepare):
                    self._start_keeping(keepers)
                    if settings.watch:
                        keepers.start_soon(self._watcher().run)
                    await self._serve(listener)
                keepers.cancel_scope.cancel()
            free_packer = self._warmer.finish()
            self._leave_behind()
        free = [pool.close() for pool in (self._pool, self._readers, self._loader)]
        self.stuck = not all((*free, free_packer))
        if self._unfit is not None:
            raise self._unfit
        _log.info("stopped")

    def stop(self) -> None:
        """Ask `run` to end. Returns at once; calling it again changes nothing."""
        self._stopping.set()

    async def _prepare(self) -> None:
        """Load the models and make one decision, before anybody is told that we are ready."""
        self._notifier.status("loading models")
        await self._exports.load()
        export = self._exports.current
        if self._exports.problem is not None:
            _log.warning("export problem", problem=self._exports.problem)
        try:
            prediction = await self._inference.predict(export, partial(sample, CANARY))
        except Overloaded as error:
            self._unfit = NoDecision(str(error))
            self.stop()
            return
        decision = decide(prediction, Constraints(), self._host.now(), self._settings.decision_policy())
        _log.info("canary decided", method=decision.primary_method, lane=decision.lane, why=decision.fallback_reason)
        # What was made so far stays for good: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()

    async def _serve(self, listener: Listener) -> None:
        """Answer clients until told to stop, then let those under way finish until a deadline."""
        async with anyio.create_task_group() as work, anyio.create_task_group() as conversations:
            dispatcher = self._dispatcher(work)
            async with anyio.create_task_group() as accepting:
                accepting.start_soon(self._accept, listener, conversations, dispatcher)
                self._counters.ready = True
                self._notifier.ready(self._describe())
                _log.info("ready", socket=str(self._settings.socket), pid=os.getpid())
                await self._stopping.wait()
                accepting.cancel_scope.cancel()
            self._begin_drain(listener, conversations, dispatcher)
            conversations.cancel_scope.deadline = anyio.current_time() + self._settings.drain_seconds
        self.finished = not conversations.cancel_scope.cancelled_caught

    def _begin_drain(self, listener: Listener, conversations: TaskGroup, dispatcher: Dispatcher) -> None:
        self._counters.draining = True
        _log.info("draining", connections=len(self._conversations), inflight=self._counters.inflight)
        # Who waits in the backlog has connected: it gets its answer too.
        self._accept_waiting(listener, conversations, dispatcher)
        listener.close()
        self._notifier.stopping()
        for conversation in self._conversations:
            conversation.end_input()

    async def _accept(self, listener: Listener, conversations: TaskGroup, dispatcher: Dispatcher) -> None:
        while True:
            await anyio.wait_readable(listener)
            if not self._accept_waiting(listener, conversations, dispatcher):
                await anyio.sleep(PAUSE_SECONDS)

    def _accept_waiting(self, listener: Listener, conversations: TaskGroup, dispatcher: Dispatcher) -> bool:
        """Accept everybody who waits; return False if the host has no room for more now."""
        try:
            while (client := listener.accept_nowait()) is not None:
                self._welcome(client, conversations, dispatcher)
        except OSError as error:
            if not is_passing(error):
                raise
            _log.warning("cannot accept", reason=error.strerror)
            return False
        return True

    def _welcome(self, client: socket.socket, conversations: TaskGroup, dispatcher: Dispatcher) -> None:
        settings = self._settings
        channel = Channel(client, settings.message_timeout, settings.write_timeout)
        if len(self._conversations) >= settings.max_connections:
            channel.say_nowait(Overloaded(f"{settings.max_connections} clients are connected already; try again later"))
            channel.close()
            return
        conversation = Conversation(channel, dispatcher, self._counters)
        self._conversations.add(conversation)
        self._counters.connections = len(self._conversations)
        conversations.start_soon(self._converse, conversation)

    async def _converse(self, conversation: Conversation) -> None:
        try:
            await conversation.run()
        finally:
            self._conversations.discard(conversation)
            self._counters.connections = len(self._conversations)

    async def _until_stopping(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do the work; tell whether it was done before we were told to stop."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_stopping, tasks.cancel_scope)
            await work()
            tasks.cancel_scope.cancel()
        return not self._stopping.is_set()

    async def _cancel_when_stopping(self, scope: anyio.CancelScope) -> None:
        await self._stopping.wait()
        scope.cancel()

    async def _obey_signals(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async with anyio.create_task_group() as reloads:
                async for number in signals:
                    if number != signal.SIGHUP:
                        self.stop()
                    elif self._counters.ready and not self._counters.draining:  # before, the newest is loaded anyway
                        reloads.start_soon(self._reloader.try_reload)

    def _use(self, export: Export) -> None:
        """Let the cache answer for another export, in the same moment in which it begins to serve."""
        self._cache.use(export)
        self._outcomes.use(export)
        self._warmer.renew()

    def _start_keeping(self, keepers: TaskGroup) -> None:
        keepers.start_soon(self._host.run)
        keepers.start_soon(self._cache.run)
        keepers.start_soon(self._warmer.run)
        if (watch := open_watch(os.environ)) is not None:
            keepers.start_soon(Pressure(watch, self._shed).run)

    def _recall(self) -> None:
        """Know again what the daemon before us left."""
        for load, name, lost in (
            (self._recent.load, RECENT, "what was asked last is forgotten"),
            (self._outcomes.load_speed, SPEED, "the host's speed is forgotten"),
        ):
            path = self._beside(name)
            try:
                load(path)
            except FileNotFoundError:
                continue  # the first start
            except (OSError, ValueError) as error:
                _log.warning(lost, path=str(path), reason=str(error))
        self._host.sample()

    def _leave_behind(self) -> None:
        """Save for the next daemon what it would have to learn again."""
        for save, name, lost in (
            (self._recent.save, RECENT, "what was asked last is not saved"),
            (self._outcomes.save_speed, SPEED, "the host's speed is not saved"),
        ):
            path = self._beside(name)
            try:
                save(path)
            except OSError as error:
                _log.warning(lost, path=str(path), reason=error.strerror)

    def _shed(self) -> None:
        """Give memory back to a host that is short of it."""
        _log.warning("memory is short")
        self._cache.shed()
        self._recent.halve()
        self._loader.submit(lambda _: give_back_memory())

    def _beside(self, name: str) -> Path:
        return self._settings.socket.with_name(self._settings.socket.name + name)

    def _dispatcher(self, work: TaskGroup) -> Dispatcher:
        routing = Routing(
            self._settings,
            self._exports,
            self._inference,
            self._readers,
            Flights(work),
            self._host,
            self._cache,
            self._warmer,
        )
        tell = partial(
            status, self._settings, self._counters, self._exports, routing, self._cache, self._outcomes, self._host
        )
        return Dispatcher(routing, self._cache, self._outcomes, self._reloader, tell)

    def _watcher(self) -> Watcher:
        settings = self._settings
        return Watcher(settings.models, settings.watch_step, settings.recheck, self._exports, self._reloader)

    def _describe(self) -> str:
        export = self._exports.current
        problem = f"; refused: {self._exports.problem}" if self._exports.problem else ""
        return f"{export.info.name} {export.info.version} on lane {export.lane}{problem}"


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None


def _raise_descriptor_limit(clients: int) -> None:
    """Allow as many open descriptors as the clients may need, as far as the host lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients * (1 + MAX_DESCRIPTORS) + OWN_DESCRIPTORS
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
        except (OSError, ValueError):
            _log.warning("few descriptors", limit=soft, wanted=wanted)
