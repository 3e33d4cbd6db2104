"""What travels: one frozen struct per request and reply, and the way from and to the router's values.

Field names are snake_case here and camelCase on the wire. Requests refuse unknown fields; replies ignore them, so
that a newer daemon can say more. `_interface` describes the same types in the interface language; a test compares.
"""

import copy
import functools
import math
from typing import Final, Literal, cast

import msgspec
from msgspec.structs import force_setattr

from router import (
    METHODS,
    Candidate,
    Constraints,
    ExportInfo,
    Features,
    Lane,
    Method,
    Plan,
    PolicyName,
    RoutingDecision,
    features_from,
)
from router.errors import RouterError
from vecroute.errors import InvalidValue, from_router

HASH_BYTES: Final = 16
LONGEST_DIGEST: Final = 128  # characters: SHA-256 in hex has half of that
# Distinct plans whose text is kept, about 1 kB each.
PLANS_KEPT: Final = 1024


class WirePlan(Plan, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`router.Plan` in camelCase, the same otherwise. An unknown parameter is refused: it would change the SVG.

    Its bounds are checked when it becomes a `router.Plan`, once and not twice.
    """

    upscale: int = 1
    matte: Literal["none", "binary", "bands"] = "binary"
    palette: int = 0
    denoise: int = 0
    mode: Literal["polygon", "spline", "none", "smooth"] = "polygon"
    hierarchical: Literal["stacked", "cutout"] = "stacked"
    colormode: Literal["color", "binary"] = "color"
    color_precision: int = 6
    filter_speckle: int = 4
    layer_difference: int = 16
    corner_threshold: int = 60
    length_threshold: float = 4.0
    max_iterations: int = 10
    splice_threshold: int = 45
    path_precision: int = 2

    def __post_init__(self) -> None:
        pass


class WireDecision(RoutingDecision, frozen=True, kw_only=True, rename="camel"):
    """`router.RoutingDecision` with the text of a `WirePlan` in it: plans repeat, so each is read and written once."""

    plan: msgspec.Raw  # type: ignore[assignment]


class RouteRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """Ask for a decision about one image, given in exactly one of the first four ways."""

    content: bytes | None = None
    file_descriptor: int | None = None
    hash: str | None = None
    features: dict[str, float] | None = None
    quality_target: float | None = None
    time_budget: float | None = None
    svg_budget: int | None = None
    preferred_methods: tuple[str, ...] | None = None
    avoided_methods: tuple[str, ...] | None = None
    policy: str | None = None
    method: str | None = None


class RouteReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The decision, and the image's hash: in place of the image it serves as long as the daemon remembers it."""

    decision: WireDecision
    hash: str | None = None


class PredictRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """Ask what one plan would give on one image, given in exactly one of the first four ways."""

    method: str
    plan: WirePlan
    content: bytes | None = None
    file_descriptor: int | None = None
    hash: str | None = None
    features: dict[str, float] | None = None


class PredictReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one plan is predicted to reach: quality 0..1 with its expected error, seconds, bytes of SVG."""

    quality: float
    quality_error: float
    seconds: float
    svg_bytes: float
    lane: Lane
    export: ExportInfo | None = None


class ReportRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """Tell what a conversion really gave."""

    method: str
    quality: float
    seconds: float
    svg_bytes: int
    hash: str | None = None
    plan: WirePlan | None = None
    predicted_quality: float | None = None
    predicted_seconds: float | None = None
    export_digest: str | None = None


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class CacheStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the cache of predictions does. `hits` and `misses` count since the start.

    The rest is about the shared cache, and None where only the daemon's own serves: then `problem` says why.
    """

    hits: int = 0
    misses: int = 0
    entries: int = 0
    capacity: int = 0
    local_hits: int | None = None
    evicted: int | None = None
    expired: int | None = None
    path: str | None = None
    problem: str | None = None


class OutcomeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What reported conversions gave. The means are over all reports since the start; None without any."""

    count: int = 0
    mean_quality: float | None = None
    mean_absolute_error: float | None = None
    mean_seconds: float | None = None


class TruthStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How true the predictions of the export that serves are, over the last `count` reports of conversions by it.

    `bias` is the mean of measured - predicted; `drift` says what is wrong while the alarm is raised, else None.
    """

    count: int = 0
    correlation: float | None = None
    mean_absolute_error: float | None = None
    bias: float | None = None
    method_errors: dict[Method, float] = {}
    error_limit: float | None = None
    drift: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The daemon in one value; counters count since the start."""

    ready: bool
    lane: Lane
    export: ExportInfo | None
    cache: CacheStatus
    requests: int
    uptime_seconds: float
    version: str
    pid: int
    errors: int = 0
    fallbacks: int = 0
    outcomes: OutcomeStatus = OutcomeStatus()
    models_directory: str = ""
    export_problem: str | None = None
    draining: bool = False
    connections: int = 0
    inflight: int = 0
    truth: TruthStatus | None = None
    speed: dict[Method, float] | None = None


class StatusReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to Status."""

    status: Status


class ReloadReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The export that serves after the reload; named `builtin` where none is installed."""

    export: ExportInfo | None = None


class CacheReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the shared cache is, and what a reader may say back in: the hints' descriptor and its own cell there."""

    path: str
    entries: int
    hints_file_descriptor: int | None = None
    reader: int | None = None


class FlushReply(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many entries the flush made invalid."""

    entries: int


class ServiceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to org.varlink.service.GetInfo."""

    vendor: str
    product: str
    version: str
    url: str
    interfaces: tuple[str, ...]


class DescriptionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for the text of one interface."""

    interface: str


class DescriptionReply(msgspec.Struct, frozen=True):
    """The text of one interface."""

    description: str


# Every method of io.github.vecroute.Router: what goes in and what comes out.
METHOD_TYPES: Final[dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]]] = {
    "Route": (RouteRequest, RouteReply),
    "Predict": (PredictRequest, PredictReply),
    "Report": (ReportRequest, Empty),
    "Status": (Empty, StatusReply),
    "Reload": (Empty, ReloadReply),
    "Cache": (Empty, CacheReply),
    "FlushCache": (Empty, FlushReply),
}


def decision_to_wire(decision: RoutingDecision) -> WireDecision:
    """Return the decision as it travels.

    Raises:
        ValueError: a number in it is not finite: JSON would turn it into null.
    """
    numbers = (
        decision.confidence
        + decision.estimated_quality
        + decision.estimated_seconds
        + decision.estimated_svg_bytes
        + decision.quality_confidence
        + decision.prediction_seconds
    )
    if not math.isfinite(numbers + sum(decision.predicted_qualities.values())):
        raise ValueError(f"a number in the decision for {decision.primary_method} is not finite; check the export")
    # Other fields have their wire names already, so a copy with text in the plan's place encodes as it should.
    travelling = copy.copy(decision)
    force_setattr(travelling, "plan", _plan_text(decision.plan))
    return cast("WireDecision", travelling)


def decision_from_wire(decision: WireDecision) -> RoutingDecision:
    """Return the router's own value.

    Raises:
        msgspec.ValidationError: the plan is none, or a parameter lies outside its bounds.
    """
    arrived = copy.copy(decision)
    force_setattr(arrived, "plan", _plan_of(bytes(decision.plan)))
    return msgspec.convert(arrived, RoutingDecision, from_attributes=True)


@functools.lru_cache(maxsize=PLANS_KEPT)
def _plan_text(plan: Plan) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(plan_to_wire(plan)))


@functools.lru_cache(maxsize=PLANS_KEPT)
def _plan_of(text: bytes) -> Plan:
    return msgspec.convert(msgspec.json.decode(text, type=WirePlan), Plan, from_attributes=True)


def plan_to_wire(plan: Plan) -> WirePlan:
    """Return the plan as it travels."""
    return msgspec.convert(plan, WirePlan, from_attributes=True)


def plan_from_wire(plan: WirePlan) -> Plan:
    """Return the router's own value.

    Raises:
        InvalidValue: a parameter lies outside its bounds.
    """
    try:
        return msgspec.convert(plan, Plan, from_attributes=True)
    except msgspec.ValidationError as exc:
        if isinstance(exc.__cause__, RouterError):
            raise from_router(exc.__cause__) from exc
        raise


def candidate_to_wire(
    candidate: Candidate, lane: Lane, export: ExportInfo | None, speed: tuple[float, ...] = ()
) -> PredictReply:
    """Return a candidate's numbers as the answer to Predict on a host of this speed (`router.Host.speed`)."""
    ratio = speed[METHODS.index(candidate.method)] if speed else 1.0
    return PredictReply(
        quality=candidate.quality,
        quality_error=candidate.quality_error,
        seconds=candidate.seconds * ratio,
        svg_bytes=candidate.svg_bytes,
        lane=lane,
        export=export,
    )


def request_constraints(request: RouteRequest) -> Constraints:
    """Return what a request asks for as the router's value.

    Raises:
        InvalidValue: a value outside its range, an unknown method or policy.
    """
    return make_constraints(
        request.quality_target,
        request.time_budget,
        request.svg_budget,
        request.preferred_methods or (),
        request.avoided_methods or (),
        request.policy,
        request.method,
    )


@functools.lru_cache(maxsize=256)  # callers repeat themselves: 0.1 us instead of 2.5
def make_constraints(
    quality_target: float | None,
    time_budget: float | None,
    svg_budget: int | None,
    preferred: tuple[str, ...],
    avoided: tuple[str, ...],
    policy: str | None,
    method: str | None,
) -> Constraints:
    """Return the router's constraints; both ends check with this one function.

    Raises:
        InvalidValue: a value outside its range, an unknown method or policy.
    """
    try:  # the casts stand for the checks in Constraints itself
        return Constraints(
            quality_target=quality_target,
            time_budget=time_budget,
            svg_budget=svg_budget,
            preferred=frozenset(cast("tuple[Method, ...]", preferred)),
            avoided=frozenset(cast("tuple[Method, ...]", avoided)),
            policy=cast("PolicyName | None", policy),
            method=cast("Method | None", method),
        )
    except RouterError as exc:
        raise from_router(exc) from exc


def request_method(text: str) -> Method:
    """Return a method's name as the router's type.

    Raises:
        InvalidValue: no such method.
    """
    for method in METHODS:
        if method == text:
            return method
    raise InvalidValue("method", f"method is {text[:80]!r}; give one of {', '.join(METHODS)}")


def check_report(request: ReportRequest) -> None:
    """Make sure that a report's numbers can be true.

    Raises:
        InvalidValue: the method is unknown or a number lies outside its range.
    """
    request_method(request.method)
    if not 0 <= request.quality <= 1:
        raise InvalidValue("quality", f"quality is {request.quality!r}; give a number from 0 to 1")
    if request.predicted_quality is not None and not 0 <= request.predicted_quality <= 1:
        raise InvalidValue("predictedQuality", f"is {request.predicted_quality!r}; give a number from 0 to 1")
    predicted_seconds = request.predicted_seconds
    if predicted_seconds is not None and not 0 < predicted_seconds < math.inf:
        raise InvalidValue("predictedSeconds", f"is {predicted_seconds!r}; give a number above 0")
    if not 0 <= request.seconds < math.inf:
        raise InvalidValue("seconds", f"seconds is {request.seconds!r}; give a number of at least 0")
    if request.svg_bytes < 0:
        raise InvalidValue("svgBytes", f"svg_bytes is {request.svg_bytes!r}; give a number of at least 0")
    if request.export_digest is not None and len(request.export_digest) > LONGEST_DIGEST:
        raise InvalidValue("exportDigest", f"has {len(request.export_digest)} characters; give the decision's own")


def request_hash(text: str) -> bytes:
    """Return a hash in hex as bytes.

    Raises:
        InvalidValue: it is not 32 hexadecimal digits.
    """
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES or len(text) != 2 * HASH_BYTES:
        raise InvalidValue("hash", f"hash is {text[:80]!r}; give 32 hexadecimal digits (BLAKE2b-128 of the image)")
    return digest


def request_features(values: dict[str, float]) -> Features:
    """Return features measured by the caller as the router's value.

    Raises:
        InvalidValue: an unknown name, a value that is no finite number, or nothing given at all.
    """
    try:
        return features_from(values)
    except RouterError as exc:
        raise from_router(exc) from exc


def check_image_given(request: RouteRequest | PredictRequest) -> None:
    """Make sure that exactly one way of giving the image was used.

    Raises:
        InvalidValue: none, or more than one.
    """
    given = (request.content, request.file_descriptor, request.hash, request.features)
    if given.count(None) == len(given) - 1:
        return
    ways = ("content", "fileDescriptor", "hash", "features")
    said = [name for name, value in zip(ways, given, strict=True) if value is not None]
    what = " and ".join(said) or "no image"
    raise InvalidValue(said[1] if said else "content", f"{what} given; give exactly one of {', '.join(ways)}")
