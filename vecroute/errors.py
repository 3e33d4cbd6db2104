"""Everything a caller of vecroute may have to catch; each message is one line and says what to do next.

`VecrouteError` is the root. A `RequestError` travels on the wire: the daemon raises it, the client raises it again.
Its class name is the error's name in the interface and `fields` are the error's parameters.
"""

import os
from typing import ClassVar, Final

from router import errors as router_errors


class VecrouteError(Exception):
    """Root of all errors of this package."""


class DaemonUnavailable(VecrouteError):
    """No daemon answers on the socket, or it went away before it answered."""

    def __init__(self, socket: str | os.PathLike[str], reason: str) -> None:
        super().__init__(
            f"no daemon answers on {one_line(os.fspath(socket))} ({one_line(reason)}); start one with `vecroute serve`"
        )
        self.socket, self.reason = os.fspath(socket), reason


class TimeoutExceeded(VecrouteError, TimeoutError):
    """The daemon did not answer in time; the call may still run there."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the daemon did not answer within {seconds:g} s; give the client a longer timeout")
        self.seconds = seconds


class ClientClosed(VecrouteError):
    """A call on a client after its `close`."""

    def __init__(self) -> None:
        super().__init__("the client is closed; make a new one")


class ProtocolError(VecrouteError):
    """The peer sent something that is no Varlink; the connection cannot be used any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"broken message ({one_line(reason)}); check that both ends speak the same version")


class UnknownDaemonError(VecrouteError):
    """The daemon answered with an error that this version does not know."""

    def __init__(self, name: str, parameters: str) -> None:
        super().__init__(f"the daemon answered {one_line(name)} {one_line(parameters)[:200]}; update this client")
        self.name = name


class RequestError(VecrouteError):
    """Root of the errors that the daemon answers a request with."""

    namespace: ClassVar[str] = "io.github.vecroute.Router"
    fields: ClassVar[tuple[str, ...]] = ("message",)

    def __init__(self, message: str) -> None:
        self.message = one_line(message)
        super().__init__(self.message)

    @classmethod
    def wire_name(cls) -> str:
        """Return the error's fully qualified name."""
        return f"{cls.namespace}.{cls.__name__}"

    def wire_parameters(self) -> dict[str, object]:
        """Return the error's parameters as they go on the wire."""
        return {name: getattr(self, name) for name in self.fields}


class InvalidImage(RequestError):
    """The bytes are not an image that can be read."""


class ImageTooLarge(InvalidImage):
    """The image has more bytes or pixels than the limit."""

    fields = ("message", "amount", "limit", "unit")

    def __init__(self, message: str, amount: int, limit: int, unit: str) -> None:
        super().__init__(message)
        self.amount, self.limit, self.unit = amount, limit, unit


class InvalidValue(RequestError):
    """A parameter has the right type but a value that makes no sense."""

    fields = ("parameter", "message")

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class UnknownImage(RequestError):
    """Only a hash was given and the daemon does not know that image (any more)."""

    fields = ("hash", "message")

    def __init__(self, hash: str, message: str = "") -> None:  # noqa: A002 - the parameter's name in the interface
        super().__init__(message or f"no image with the hash {hash} is cached; send the image itself")
        self.hash = hash


class Overloaded(RequestError):
    """The daemon has more requests waiting than it can answer in time."""

    def __init__(self, message: str = "too many requests are waiting; try again in a moment") -> None:
        super().__init__(message)


class MessageTooLarge(RequestError):
    """A message is longer than the limit; the connection lives on."""

    fields = ("message", "limit")

    def __init__(self, limit: int, message: str = "") -> None:
        super().__init__(
            message or f"the message is longer than {limit} bytes; send the image as a file descriptor instead"
        )
        self.limit = limit


class ReloadFailed(RequestError):
    """The export on disk did not pass its checks; the one that served still does."""


class NoSharedCache(RequestError):
    """The daemon keeps no shared cache, or could not make it; Route still answers."""


class ShuttingDown(RequestError):
    """The daemon is stopping and takes no new request."""

    def __init__(self, message: str = "the daemon is shutting down; connect again once it is back") -> None:
        super().__init__(message)


class InternalError(RequestError):
    """The daemon itself failed on the request; nothing about the request is wrong."""


class ServiceError(RequestError):
    """Root of the errors that every Varlink service answers with."""

    namespace = "org.varlink.service"
    fields: ClassVar[tuple[str, ...]] = ()


class InvalidParameter(ServiceError):
    """A parameter is unknown, missing or of the wrong type."""

    fields = ("parameter",)

    def __init__(self, parameter: str) -> None:
        super().__init__(f"parameter {parameter} is unknown, missing or of the wrong type; see the interface")
        self.parameter = parameter


class InterfaceNotFound(ServiceError):
    """The service does not have that interface."""

    fields = ("interface",)

    def __init__(self, interface: str) -> None:
        super().__init__(f"interface {interface} is unknown; GetInfo lists the known ones")
        self.interface = interface


class MethodNotFound(ServiceError):
    """The interface does not have that method."""

    fields = ("method",)

    def __init__(self, method: str) -> None:
        super().__init__(f"method {method} is unknown; update the daemon or see GetInterfaceDescription")
        self.method = method


class MethodNotImplemented(ServiceError):
    """The method exists in the interface but this service does not offer it."""

    fields = ("method",)

    def __init__(self, method: str) -> None:
        super().__init__(f"method {method} is not offered by this daemon; see GetInterfaceDescription")
        self.method = method


class PermissionDenied(ServiceError):
    """The caller may not do that."""

    def __init__(self) -> None:
        super().__init__("the daemon refused permission; run as the user it serves")


class ExpectedMore(ServiceError):
    """The method streams and must be called with `more`."""

    def __init__(self) -> None:
        super().__init__("the method streams its answers; call it with `more`")


_ROUTER_WORDS = {"preferred": "preferredMethods", "avoided": "avoidedMethods"}


def from_router(error: router_errors.RouterError) -> RequestError:
    """Translate the router's error about a value into the one that travels."""
    message = str(error)
    if isinstance(error, router_errors.ImageTooLarge):
        return ImageTooLarge(message, error.amount, error.limit, error.unit)
    if isinstance(error, router_errors.InvalidImage):
        return InvalidImage(message)
    name = str(getattr(error, "parameter", "request"))
    parameter = _ROUTER_WORDS.get(name, camel(name))
    return InvalidValue(f"plan.{parameter}" if isinstance(error, router_errors.InvalidPlan) else parameter, message)


def camel(name: str) -> str:
    """Return a snake_case name in camelCase."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def one_line(text: str) -> str:
    """Return text on one line and encodable as UTF-8: file names may hold newlines and lone surrogates."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0").split())


BY_WIRE_NAME: Final[dict[str, type[RequestError]]] = {
    kind.wire_name(): kind
    for kind in (
        InvalidImage,
        ImageTooLarge,
        InvalidValue,
        UnknownImage,
        Overloaded,
        MessageTooLarge,
        ReloadFailed,
        NoSharedCache,
        ShuttingDown,
        InternalError,
        InvalidParameter,
        InterfaceNotFound,
        MethodNotFound,
        MethodNotImplemented,
        PermissionDenied,
        ExpectedMore,
    )
}
