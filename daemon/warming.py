"""After a start and after each swap, what was asked for last is predicted anew while nobody asks."""

from collections import deque
from functools import partial

import anyio
import structlog
from anyio.lowlevel import checkpoint

from daemon.exports import Exports
from daemon.inference import Inference
from daemon.keeper import Keeper
from daemon.pool import Job, Pool
from daemon.recent import Packed, Recent, pack, unpack
from router.errors import RouterError
from router.pixels import Sample
from vecroute.errors import RequestError

_log = structlog.get_logger("daemon.warming")

# Samples that wait to be packed, 256 kB each; in a rush of new images the others are left out.
MOST_WAITING = 8
# How often to look whether requests are under way.
IDLE_SECONDS = 0.01


class Warmer:
    """Keeps samples of the images asked for last, and predicts those again that have no valid entry."""

    def __init__(self, recent: Recent, cache: Keeper, exports: Exports, inference: Inference, pool: Pool) -> None:
        self._recent = recent
        self._cache = cache
        self._exports = exports
        self._inference = inference
        self._pool = pool
        self._packer = Pool("packer", 1, MOST_WAITING)
        self._waiting: deque[tuple[bytes, Sample]] = deque()
        self._more = anyio.Event()
        self._changed = anyio.Event()

    def note(self, key: bytes, sample: Sample) -> None:
        """Keep a sample; packing it can wait."""
        if not self._recent.touch(key) and len(self._waiting) < MOST_WAITING:
            self._waiting.append((key, sample))
            self._more.set()

    def touch(self, key: bytes) -> None:
        """Note that an image was asked for again."""
        self._recent.touch(key)

    def renew(self) -> None:
        """Predict anew what has no valid entry now, from the beginning."""
        self._changed.set()

    async def run(self) -> None:
        """Pack and predict until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pack)
            tasks.start_soon(self._renew)

    def finish(self) -> bool:
        """Pack what still waits and take no more; tell whether the thread is free to end."""
        while self._waiting:
            key, sample = self._waiting.popleft()
            self._recent.put(key, pack(sample))
        return self._packer.close()

    async def _pack(self) -> None:
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            while self._waiting:
                key, sample = self._waiting[0]
                self._recent.put(key, await self._packed(sample))
                self._waiting.popleft()

    async def _packed(self, sample: Sample) -> Packed:
        job: Job[None, Packed] = self._packer.submit(lambda _: pack(sample))
        return await job.wait_result()

    async def _renew(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            renewed = 0
            for key in self._recent.newest_first():
                await self._wait_idle()
                if self._changed.is_set():
                    break
                renewed += not self._cache.has(key) and await self._predict(key)
            _log.debug("warmed", renewed=renewed, known=len(self._recent))

    async def _wait_idle(self) -> None:
        """Return once no request is being measured or predicted, after the others had their turn."""
        await checkpoint()
        while True:
            state = self._pool.state()
            if not state.running and not state.waiting:
                return
            await anyio.sleep(IDLE_SECONDS)

    async def _predict(self, key: bytes) -> bool:
        """Predict one image again; tell whether that gave something to keep."""
        packed = self._recent.get(key)
        if packed is None:
            return False
        export, fingerprint = self._exports.current, self._cache.fingerprint
        try:
            prediction = await self._inference.predict(export, partial(unpack, packed))
        except (RequestError, RouterError, ValueError) as error:
            _log.debug("not warmed", reason=str(error))
            return False
        return self._cache.keep(key, prediction, fingerprint)
