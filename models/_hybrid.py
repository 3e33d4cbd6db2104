"""The in-process router: the same exports and the same `decide` as the daemon, without one."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

import msgspec

from models._export import Export
from models._policy import PolicyModel
from models._repository import DEFAULT_MODELS, load_newest
from models._staging import open_regular
from models.errors import PredictionError
from router import (
    Constraints,
    Features,
    Host,
    Method,
    Policy,
    PolicyName,
    Prediction,
    RoutingDecision,
    decide,
    features_from,
)
from router.errors import ImageTooLarge
from router.pixels import MAX_BYTES, Sample, sample

Image = bytes | str | os.PathLike[str] | Features | Mapping[str, float]

ASKED_FOR_BASE = "base routing was asked for"


class Wanted(TypedDict, total=False):
    """What a caller may ask for; each as in `router.Constraints`."""

    quality_target: float | None
    time_budget: float | None
    svg_budget: int | None
    preferred: Iterable[Method]
    avoided: Iterable[Method]
    policy: PolicyName | None
    method: Method | None


def clock_only() -> Host:
    """Return a host of which only the time is known, so that the same image always gets the same decision."""
    return Host(now=time.time())


class HybridRouter:
    """Routes images in this process, by the newest export under `models` that loads.

    `models` is a directory of exports, by default the packaged one. `host` is asked once per decision; the default
    does not watch the load, so decisions are repeatable. One router may be used from several threads.
    """

    def __init__(
        self,
        models: str | os.PathLike[str] | None = None,
        *,
        policy: Policy = Policy(),
        host: Callable[[], Host] = clock_only,
    ) -> None:
        directory = DEFAULT_MODELS if models is None else Path(models)
        loaded = load_newest(directory)
        self.export: Export = loaded.export
        self.problems: tuple[str, ...] = loaded.problems
        if loaded.directory is None and not loaded.problems:
            self.problems = (f"no export in {directory}; base routing serves, put an export there for predictions",)
        self._policy, self._host = policy, host

    def route(self, image: Image, **wanted: Unpack[Wanted]) -> RoutingDecision:
        """Decide how to convert an image, given as bytes, a path, or features measured by the caller.

        Raises:
            InvalidConstraint: a target, budget, preference or policy makes no sense.
            InvalidFeatures: features given by the caller cannot be used.
            InvalidImage: the bytes are no image, or too large a one.
            OSError: the file cannot be read, or is no regular file.
        """
        constraints = _constraints(wanted)
        return self._decide(self.predict(image), constraints)

    def route_base(self, image: Image, **wanted: Unpack[Wanted]) -> RoutingDecision:
        """Decide as `route` does, by the forest alone."""
        constraints = _constraints(wanted)
        return self._decide(self.export.predict_base(sample_from(image).features, ASKED_FOR_BASE), constraints)

    def predict(self, image: Image) -> Prediction:
        """Return what the models say about an image; base routing, with the reason, where the predictor fails."""
        given = sample_from(image)
        try:
            return self.export.predict(given)
        except PredictionError as exc:
            return self.export.predict_base(given.features, str(exc))

    def plan_policy(self, _: RoutingDecision) -> PolicyModel | None:
        """Return the policy that refines the plan of a decision for `ppo`."""
        return self.export.policy

    def _decide(self, prediction: Prediction, constraints: Constraints) -> RoutingDecision:
        decision = decide(prediction, constraints, self._host(), self._policy)
        return msgspec.structs.replace(decision, cache="local")


def sample_from(image: Image) -> Sample:
    """Return the sample of an image given in any of the ways that `HybridRouter.route` takes.

    Raises:
        InvalidFeatures, InvalidImage, OSError: see `HybridRouter.route`.
    """
    if isinstance(image, Features):
        return Sample(image)
    if isinstance(image, Mapping):
        return Sample(features_from(image))
    return sample(image if isinstance(image, bytes) else _read(Path(image)))


def _read(path: Path) -> bytes:
    """Return a file's bytes; one that is too large is refused before it is read."""
    with open(path, "rb", opener=open_regular) as file:
        if (size := os.fstat(file.fileno()).st_size) > MAX_BYTES:
            raise ImageTooLarge(size, MAX_BYTES, "bytes")
        return file.read()


def _constraints(wanted: Wanted) -> Constraints:
    given: dict[str, Any] = dict(wanted)
    for name in ("preferred", "avoided"):
        given[name] = frozenset(given.get(name, ()))
    return Constraints(**given)
