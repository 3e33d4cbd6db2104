"""The calls of the interface, ready to send: what each takes, the message it becomes and how its reply is read."""

import hashlib
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from router import ExportInfo, Features, Plan, PolicyName, RoutingDecision
from vecroute import errors
from vecroute._descriptors import Image
from vecroute._interface import INTERFACE
from vecroute._varlink import Reply, TypedReply, body, decode_reply, encode_call
from vecroute._wire import (
    HASH_BYTES,
    Empty,
    FlushReply,
    PredictReply,
    PredictRequest,
    ReloadReply,
    ReportRequest,
    RouteReply,
    RouteRequest,
    Status,
    StatusReply,
    check_image_given,
    check_report,
    decision_from_wire,
    make_constraints,
    plan_to_wire,
    request_features,
    request_hash,
    request_method,
)

if TYPE_CHECKING:
    from vecroute._shared_cache import SharedCache

T = TypeVar("T")
C = TypeVar("C")
R = TypeVar("R", bound=msgspec.Struct)

Hash = bytes | str
GivenFeatures = Features | Mapping[str, float]


class PreparedCall(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One call: its message, the image that rides with it, and the function that reads the reply's message.

    `read` returns the call's value, or the error that the daemon answered with; what is no reply it raises.
    `repeatable`: doing it twice is as good as once, so it may be sent again when nobody knows whether it was done.
    `lookup` finds the same value in the shared cache, under the image's hash, which is `key` if that alone was given.
    """

    message: bytes
    read: Callable[[bytes], T | errors.VecrouteError]
    image: Image | None = None
    repeatable: bool = True
    lookup: "Callable[[SharedCache, bytes], T | None] | None" = None
    key: bytes | None = None


def image_hash(data: bytes) -> bytes:
    """Return the name under which the daemon remembers an image: BLAKE2b-128 of the encoded bytes."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).digest()


def route_call(
    image: Image | None = None,
    *,
    features: GivenFeatures | None = None,
    hash: Hash | None = None,  # noqa: A002 - the parameter's name in the interface
    quality_target: float | None = None,
    time_budget: float | None = None,
    svg_budget: int | None = None,
    preferred: Sequence[str] = (),
    avoided: Sequence[str] = (),
    policy: PolicyName | None = None,
    method: str | None = None,
) -> PreparedCall[RoutingDecision]:
    """Return the decision how to convert one image, given as bytes or path, as features or as a hash.

    `quality_target` (SSIM) in (0, 1]; `time_budget` in seconds; `svg_budget` in bytes; `preferred` and `avoided`
    methods; `policy` is `weighted` or `constrained`; `method` allows that one alone.

    Raises:
        InvalidImage: the path cannot be read, or the bytes are no image.
        InvalidValue: a value outside its range.
        UnknownImage: only a hash was given and the daemon does not remember that image.
        DaemonUnavailable: nobody answers.
        TimeoutExceeded: no answer in time.
    """
    preferred, avoided = tuple(preferred), tuple(avoided)
    wanted = make_constraints(quality_target, time_budget, svg_budget, preferred, avoided, policy, method)
    key = None if hash is None else _bytes(hash)
    request = RouteRequest(
        file_descriptor=None if image is None else 0,
        hash=None if key is None else key.hex(),
        features=None if features is None else _measured(features),
        quality_target=_real(quality_target),
        time_budget=_real(time_budget),
        svg_budget=None if svg_budget is None else operator.index(svg_budget),
        preferred_methods=preferred or None,
        avoided_methods=avoided or None,
        policy=policy,
        method=method,
    )
    check_image_given(request)
    return PreparedCall(
        message=_message("Route", request),
        read=_read_route,
        image=image,
        lookup=None if features is not None else lambda cache, found: cache.decide(found, wanted),
        key=key,
    )


def predict_call(
    image: Image | None = None,
    *,
    method: str,
    plan: Plan,
    features: GivenFeatures | None = None,
    hash: Hash | None = None,  # noqa: A002 - the parameter's name in the interface
) -> PreparedCall[PredictReply]:
    """Return what one plan of one method would give on one image.

    Raises:
        InvalidImage: the path cannot be read, or the bytes are no image.
        InvalidValue: the method is unknown.
        UnknownImage: only a hash was given and the daemon does not remember that image.
        DaemonUnavailable: nobody answers.
        TimeoutExceeded: no answer in time.
    """
    known = request_method(method)
    key = None if hash is None else _bytes(hash)
    request = PredictRequest(
        method=known,
        plan=plan_to_wire(plan),
        file_descriptor=None if image is None else 0,
        hash=None if key is None else key.hex(),
        features=None if features is None else _measured(features),
    )
    check_image_given(request)
    return PreparedCall(
        message=_message("Predict", request),
        read=_read_predict,
        image=image,
        lookup=None if features is not None else lambda cache, found: cache.predict(found, known, plan),
        key=key,
    )


def report_call(
    *,
    method: str,
    quality: float,
    seconds: float,
    svg_bytes: int,
    hash: Hash | None = None,  # noqa: A002 - the parameter's name in the interface
    plan: Plan | None = None,
    predicted_quality: float | None = None,
    predicted_seconds: float | None = None,
    export_digest: str | None = None,
) -> PreparedCall[None]:
    """Tell the daemon what a conversion really gave; it learns from that how fast the host is and how true its export.

    `hash` is the image's; `plan`, `predicted_quality` and `predicted_seconds` (`estimated_...`) are the decision's, and
    `export_digest` is that of its export.

    Raises:
        InvalidValue: the method is unknown or a number lies outside its range.
        DaemonUnavailable: nobody answers; whether the report arrived is not known.
        TimeoutExceeded: no answer in time.
    """
    request = ReportRequest(
        method=method,
        quality=float(quality),
        seconds=float(seconds),
        svg_bytes=operator.index(svg_bytes),
        hash=None if hash is None else _bytes(hash).hex(),
        plan=None if plan is None else plan_to_wire(plan),
        predicted_quality=_real(predicted_quality),
        predicted_seconds=_real(predicted_seconds),
        export_digest=export_digest,
    )
    check_report(request)
    return PreparedCall(message=_message("Report", request), read=_read_nothing, repeatable=False)


def status_call() -> PreparedCall[Status]:
    """Return the daemon's state.

    Raises:
        DaemonUnavailable: nobody answers.
        TimeoutExceeded: no answer in time.
    """
    return PreparedCall(message=_STATUS, read=_read_status)


def reload_call() -> PreparedCall[ExportInfo | None]:
    """Have the daemon look for exports again and return the one that serves then (`builtin`: base routing).

    Raises:
        ReloadFailed: the newest export did not pass its checks; the one that served still does.
        DaemonUnavailable: nobody answers.
        TimeoutExceeded: no answer in time.
    """
    return PreparedCall(message=_RELOAD, read=_read_reload, repeatable=False)


def flush_cache_call() -> PreparedCall[int]:
    """Have the daemon forget all predictions and return how many there were.

    Raises:
        DaemonUnavailable: nobody answers.
        TimeoutExceeded: no answer in time.
    """
    return PreparedCall(message=_FLUSH, read=_read_flush, repeatable=False)


def _message(method: str, request: msgspec.Struct | None = None) -> bytes:
    return encode_call(f"{INTERFACE}.{method}", request)


_STATUS: Final = _message("Status")
_RELOAD: Final = _message("Reload")
_FLUSH: Final = _message("FlushCache")


def _bytes(given: Hash) -> bytes:
    return request_hash(given if isinstance(given, str) else given.hex())


def _real(value: float | None) -> float | None:
    """Return a plain float: numbers measured with numpy have types of their own."""
    return None if value is None else float(value)


def _measured(given: GivenFeatures) -> dict[str, float]:
    """Return the features that have a value, by name, once they passed the router's own checks."""
    values = msgspec.structs.asdict(given) if isinstance(given, Features) else given
    features = request_features({name: value for name, value in values.items() if value is not None})
    return {name: value for name, value in msgspec.structs.asdict(features).items() if value is not None}


def _reader(kind: type[R], then: Callable[[R], T]) -> Callable[[bytes], T | errors.VecrouteError]:
    """Return a function that turns a reply's message into its value, or into the error that it carries."""
    decoder = msgspec.json.Decoder(TypedReply[kind])  # type: ignore[valid-type]

    def read(message: bytes) -> T | errors.VecrouteError:
        reply = decode_reply(decoder, message)
        if isinstance(reply, Reply):
            return _error(reply.error or "", reply.parameters)
        try:
            return then(reply.parameters or msgspec.json.decode(b"{}", type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise errors.ProtocolError(f"an unusable reply: {exc}") from exc

    return read


_read_route: Final = _reader(RouteReply, lambda reply: decision_from_wire(reply.decision))
_read_predict: Final = _reader(PredictReply, lambda reply: reply)
_read_nothing: Final = _reader(Empty, lambda _: None)
_read_status: Final = _reader(StatusReply, lambda reply: reply.status)
_read_reload: Final = _reader(ReloadReply, lambda reply: reply.export)
_read_flush: Final = _reader(FlushReply, lambda reply: reply.entries)


class _ErrorParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of all errors that we know."""

    message: str = ""
    parameter: str = ""
    hash: str = ""
    amount: int = 0
    limit: int = 0
    unit: str = ""
    method: str = ""
    interface: str = ""


_ERROR_DECODER: Final = msgspec.json.Decoder(_ErrorParameters)


def _error(name: str, raw: msgspec.Raw) -> errors.VecrouteError:
    """Return the exception that an error reply stands for."""
    kind = errors.BY_WIRE_NAME.get(name)
    if kind is None:
        return errors.UnknownDaemonError(name, bytes(raw).decode("utf-8", "backslashreplace"))
    try:
        given = _ERROR_DECODER.decode(body(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        return errors.ProtocolError(f"error {name} with unusable parameters: {exc}")
    return kind(**{field: getattr(given, field) for field in kind.fields})


def method_for(prepare: Callable[..., object], method: C) -> C:
    """Return the method with the name, documentation and parameters of the function that prepares its call."""
    name = prepare.__name__.removesuffix("_call")
    signature = inspect.signature(prepare)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = method.__qualname__ = name  # type: ignore[attr-defined]
    method.__doc__ = prepare.__doc__
    method.__signature__ = signature.replace(parameters=[self, *signature.parameters.values()])  # type: ignore[attr-defined]
    return method
