"""Routing: find what is known of an image, have the rest computed, decide; a cached answer never leaves the loop."""

from collections.abc import Sequence
from functools import partial

import msgspec

from daemon import images
from daemon.exports import Exports
from daemon.flights import Flights
from daemon.host import HostSampler
from daemon.images import Descriptor
from daemon.inference import Inference
from daemon.keeper import Keeper
from daemon.pool import Job, Pool
from daemon.settings import Settings
from daemon.warming import Warmer
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


class AskedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A request for one plan, and the answer to it if that is cached."""

    image: Asked
    method: Method
    plan: Plan
    reply: PredictReply | None = None


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
        cache: Keeper,
        warmer: Warmer,
    ) -> None:
        self._settings = settings
        self._policy = settings.decision_policy()
        self._exports = exports
        self._inference = inference
        self._readers = readers
        self._flights = flights
        self._host = host
        self._cache = cache
        self._warmer = warmer
        self.fallbacks = 0

    def look_up(self, request: RouteRequest, descriptors: Sequence[Descriptor]) -> Asked:
        """Return what is known without waiting.

        Raises:
            RequestError: the image is not given exactly once, or cannot be used.
        """
        asked = self._asked(request, descriptors)
        if asked.hash is None:
            return asked
        asked = self._with_prediction(asked, asked.hash)
        if asked.prediction is None and request.hash is not None:
            raise UnknownImage(request.hash)
        return asked

    async def wait_prediction(self, asked: Asked) -> Asked:
        """Return the same with a prediction.

        Raises:
            RequestError: the image cannot be read or measured, or not in time.
        """
        if asked.features is None and asked.hash is None:
            asked = await self._wait_read(asked)
            assert asked.hash is not None
            asked = self._with_prediction(asked, asked.hash)
        if asked.prediction is not None:
            return asked
        # Both belong together, and stay what they are in here whatever is swapped or flushed meanwhile.
        work = partial(self._fly, asked, self._exports.current, self._cache.fingerprint)
        if asked.hash is None:
            prediction = await work()
        else:
            prediction = await self._flights.join(asked.hash + self._cache.fingerprint.to_bytes(8, "little"), work)
        return msgspec.structs.replace(asked, prediction=prediction)

    def decide(self, asked: Asked, constraints: Constraints) -> RouteReply:
        """Return the decision for an image whose prediction is there."""
        assert asked.prediction is not None
        decision = decide(asked.prediction, constraints, self._host.now(), self._policy)
        if asked.cached:
            decision = msgspec.structs.replace(decision, cache="hit")
        self.fallbacks += decision.fallback_used
        return RouteReply(decision=decision_to_wire(decision), hash=asked.hash.hex() if asked.hash else None)

    def look_up_plan(self, request: PredictRequest, descriptors: Sequence[Descriptor]) -> AskedPlan:
        """Return what is known of one plan without waiting.

        Raises:
            RequestError: see `look_up`, or the method is unknown.
        """
        method, plan = request_method(request.method), plan_from_wire(request.plan)
        asked = AskedPlan(image=self._asked(request, descriptors), method=method, plan=plan)
        if asked.image.hash is not None:
            asked = self._with_plan(asked)
        if asked.reply is None and request.hash is not None:
            raise UnknownImage(request.hash, "for this hash and plan nothing is known; send the image itself")
        return asked

    async def wait_plan(self, asked: AskedPlan) -> PredictReply:
        """Return what one plan is predicted to reach.

        Raises:
            RequestError: see `wait_prediction`.
        """
        if asked.image.features is None and asked.image.hash is None:
            asked = self._with_plan(msgspec.structs.replace(asked, image=await self._wait_read(asked.image)))
        if asked.reply is not None:
            return asked.reply
        export, fingerprint, image = self._exports.current, self._cache.fingerprint, asked.image
        scored = await self._inference.predict_plan(export, partial(self._measure, image), asked.method, asked.plan)
        if image.hash is not None:
            self._cache.keep_plan(image.hash, scored.candidate, scored.lane, fingerprint)
        return candidate_to_wire(scored.candidate, scored.lane, export.info, self._host.now().speed)

    def _with_prediction(self, asked: Asked, key: bytes) -> Asked:
        prediction = self._cache.get(key)
        if prediction is None:
            return asked
        self._warmer.touch(key)
        return Asked(hash=key, prediction=prediction, cached=True)

    def _with_plan(self, asked: AskedPlan) -> AskedPlan:
        assert asked.image.hash is not None
        known = self._cache.get_plan(asked.image.hash, asked.method, asked.plan)
        if known is None:
            return asked
        reply = candidate_to_wire(known.candidates[0], known.lane, known.export, self._host.now().speed)
        return msgspec.structs.replace(asked, reply=reply)

    def _asked(self, request: RouteRequest | PredictRequest, descriptors: Sequence[Descriptor]) -> Asked:
        """Return the image as it was given, with its hash if that takes no time."""
        check_image_given(request)
        if request.hash is not None:
            return Asked(hash=request_hash(request.hash))
        if request.features is not None:
            return Asked(features=request_features(request.features))
        if request.content is not None:
            small = len(request.content) <= images.INLINE_BYTES
            return Asked(data=request.content, hash=image_hash(request.content) if small else None)
        assert request.file_descriptor is not None
        return self._opened(_chosen(request.file_descriptor, descriptors))

    def _opened(self, descriptor: Descriptor) -> Asked:
        size = images.check(descriptor, self._settings.max_image_bytes)
        data = images.read_nowait(descriptor, size)
        return Asked(descriptor=descriptor) if data is None else Asked(data=data, hash=image_hash(data))

    async def _wait_read(self, asked: Asked) -> Asked:
        """Return the same with the image's bytes and hash, read in a thread."""

        def read(_job: Job[None, tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
            limit = self._settings.max_image_bytes
            data = images.read(asked.descriptor, limit) if asked.descriptor else asked.data or b""
            return data, image_hash(data)

        data, key = await self._readers.run(read, self._settings.request_timeout, "the image was not read")
        return Asked(data=data, hash=key)

    async def _fly(self, asked: Asked, export: Export, fingerprint: int) -> Prediction:
        measured: list[Sample] = []

        def measure() -> Sample:
            measured.append(self._measure(asked))
            return measured[0]

        prediction = await self._inference.predict(export, measure)
        if asked.hash is not None and self._cache.keep(asked.hash, prediction, fingerprint):
            self._warmer.note(asked.hash, measured[0])
        return prediction

    def _measure(self, asked: Asked) -> Sample:
        """Return the image in numbers. Runs in a thread, for milliseconds."""
        if asked.features is not None:
            return Sample(asked.features)
        limits, data = self._settings, asked.data or b""
        return sample(
            data,
            max_bytes=limits.max_image_bytes,
            max_pixels=limits.max_image_pixels,
            beside=self._inference.share,
        )


def _chosen(index: int, descriptors: Sequence[Descriptor]) -> Descriptor:
    if 0 <= index < len(descriptors):
        return descriptors[index]
    raise InvalidValue(
        "fileDescriptor", f"fileDescriptor is {index}, {len(descriptors)} came with the message; count from 0"
    )
