"""Routing: find what is known of an image, have the rest computed, decide; a cached answer never leaves the loop."""

from collections.abc import Sequence
from functools import partial

import msgspec

from daemon import images
from daemon.cache import PredictionCache
from daemon.exports import Exports, identity
from daemon.flights import Flights
from daemon.host import HostSampler
from daemon.images import Descriptor
from daemon.inference import Inference
from daemon.pool import Job, Pool
from daemon.settings import Settings
from models import Export
from router import Constraints, Features, Method, Plan, Prediction, decide
from router.pixels import Sample, sample
from vecroute import image_hash
from vecroute._wire import (
    PredictReply,
    PredictRequest,
    RouteReply,
    RouteRequest,
    candidate_to_wire,
    check_image_given,
    decision_to_wire,
    plan_from_wire,
    request_features,
    request_hash,
    request_method,
)
from vecroute.errors import InvalidValue, UnknownImage


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the image of a request: one of the first three, its hash once read, the prediction if cached."""

    data: bytes | None = None
    descriptor: Descriptor | None = None
    features: Features | None = None
    hash: bytes | None = None
    prediction: Prediction | None = None
    cached: bool = False


class Routing:
    """Answers Route and Predict."""

    def __init__(
        self,
        settings: Settings,
        exports: Exports,
        inference: Inference,
        readers: Pool,
        flights: Flights[Prediction],
        host: HostSampler,
    ) -> None:
        self._settings = settings
        self._policy = settings.decision_policy()
        self._exports = exports
        self._inference = inference
        self._readers = readers
        self._flights = flights
        self._host = host
        self.cache = PredictionCache(settings.cache_entries)
        self.fallbacks = 0

    def look_up(self, request: RouteRequest | PredictRequest, descriptors: Sequence[Descriptor]) -> Asked:
        """Return what is known without waiting.

        Raises:
            RequestError: the image is not given exactly once, or cannot be used.
        """
        check_image_given(request)
        if request.hash is not None:
            return self._known(request.hash)
        if request.features is not None:
            return Asked(features=request_features(request.features))
        if request.content is not None:
            small = len(request.content) <= images.INLINE_BYTES
            return self._with_hash(request.content) if small else Asked(data=request.content)
        assert request.file_descriptor is not None
        return self._opened(_chosen(request.file_descriptor, descriptors))

    async def wait_prediction(self, asked: Asked) -> Asked:
        """Return the same with a prediction.

        Raises:
            RequestError: the image cannot be read or measured, or not in time.
        """
        if asked.features is None:
            asked = await self._wait_read(asked)
        if asked.prediction is not None:
            return asked
        export = self._exports.current
        work = partial(self._fly, asked, export)
        if asked.hash is None:
            prediction = await work()
        else:
            prediction = await self._flights.join(asked.hash + identity(export).encode(), work)
        return msgspec.structs.replace(asked, prediction=prediction)

    def decide(self, asked: Asked, constraints: Constraints) -> RouteReply:
        """Return the decision for an image whose prediction is there."""
        assert asked.prediction is not None
        decision = decide(asked.prediction, constraints, self._host.now(), self._policy)
        if asked.cached:
            decision = msgspec.structs.replace(decision, cache="hit")
        self.fallbacks += decision.fallback_used
        return RouteReply(decision=decision_to_wire(decision), hash=asked.hash.hex() if asked.hash else None)

    async def wait_plan(self, asked: Asked, request: PredictRequest) -> PredictReply:
        """Return what one plan is predicted to reach.

        Raises:
            RequestError: the method is unknown, or see `wait_prediction`.
        """
        method = request_method(request.method)
        plan = plan_from_wire(request.plan)
        if request.hash is not None:
            return _of_cached(asked, method, plan, request.hash)
        export = self._exports.current
        if asked.features is None:
            asked = await self._wait_read(asked)
        scored = await self._inference.predict_plan(export, partial(self._measure, asked), method, plan)
        return candidate_to_wire(scored.candidate, scored.lane, export.info)

    def _known(self, text: str) -> Asked:
        key = request_hash(text)
        prediction = self.cache.get(key, self._exports.identity)
        if prediction is None:
            raise UnknownImage(text)
        return Asked(hash=key, prediction=prediction, cached=True)

    def _with_hash(self, data: bytes, key: bytes | None = None) -> Asked:
        key = key or image_hash(data)
        prediction = self.cache.get(key, self._exports.identity)
        return Asked(data=data, hash=key, prediction=prediction, cached=prediction is not None)

    def _opened(self, descriptor: Descriptor) -> Asked:
        size = images.check(descriptor, self._settings.max_image_bytes)
        data = images.read_nowait(descriptor, size)
        return Asked(descriptor=descriptor) if data is None else self._with_hash(data)

    async def _wait_read(self, asked: Asked) -> Asked:
        """Return the same with the image's bytes and hash, read in a thread unless they are there."""
        if asked.hash is not None:
            return asked

        def read(_job: Job[None, tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
            limit = self._settings.max_image_bytes
            data = images.read(asked.descriptor, limit) if asked.descriptor else asked.data or b""
            return data, image_hash(data)

        data, key = await self._readers.run(read, self._settings.request_timeout, "the image was not read")
        return self._with_hash(data, key)

    async def _fly(self, asked: Asked, export: Export) -> Prediction:
        prediction = await self._inference.predict(export, partial(self._measure, asked))
        # What base routing said for want of time is not kept: the next request tries again.
        if asked.hash is not None and prediction.lane == export.lane:
            self.cache.put(asked.hash, identity(export), prediction)
        return prediction

    def _measure(self, asked: Asked) -> Sample:
        """Return the image in numbers. Runs in a thread, for milliseconds."""
        if asked.features is not None:
            return Sample(asked.features)
        limits = self._settings
        return sample(asked.data or b"", max_bytes=limits.max_image_bytes, max_pixels=limits.max_image_pixels)


def _chosen(index: int, descriptors: Sequence[Descriptor]) -> Descriptor:
    if 0 <= index < len(descriptors):
        return descriptors[index]
    raise InvalidValue(
        "fileDescriptor", f"fileDescriptor is {index}, {len(descriptors)} came with the message; count from 0"
    )


def _of_cached(asked: Asked, method: Method, plan: Plan, text: str) -> PredictReply:
    """Return what was predicted for a candidate of the image; only those are kept."""
    assert asked.prediction is not None
    prediction = asked.prediction
    for candidate in prediction.candidates:
        if (candidate.method, candidate.plan) == (method, plan):
            return candidate_to_wire(candidate, prediction.lane, prediction.export)
    raise UnknownImage(text, "for this hash only its own candidates, method and plan, are known; send the image itself")
