"""Calls by name: which parameters each method takes and who answers it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

import msgspec

from daemon.images import Descriptor
from daemon.keeper import Keeper, Reader
from daemon.outcomes import Outcomes
from daemon.reload import Reloader
from daemon.routing import Routing
from vecroute._interface import DESCRIPTION, INTERFACE, SERVICE_DESCRIPTION
from vecroute._varlink import SERVICE_INTERFACE, Call, decode_parameters
from vecroute._version import __version__
from vecroute._wire import (
    CacheReply,
    DescriptionReply,
    DescriptionRequest,
    Empty,
    FlushReply,
    PredictReply,
    PredictRequest,
    ReloadReply,
    ReportRequest,
    RouteReply,
    RouteRequest,
    ServiceInfo,
    Status,
    StatusReply,
    request_constraints,
)
from vecroute.errors import InterfaceNotFound, MethodNotFound, MethodNotImplemented

P = TypeVar("P")
T = TypeVar("T")

INFO = ServiceInfo(
    vendor="vecroute",
    product="vecroute",
    version=__version__,
    url="https://github.com/vecroute/vecroute",
    interfaces=(SERVICE_INTERFACE, INTERFACE),
)
DESCRIPTIONS = {INTERFACE: DESCRIPTION, SERVICE_INTERFACE: SERVICE_DESCRIPTION}


class Client(Reader, Protocol):
    """What a method may need of the client that calls it."""

    async def while_connected(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work gives; it is cancelled if the client goes away."""


class Request(msgspec.Struct, Generic[P], frozen=True):
    """A call with its parameters checked."""

    parameters: P
    descriptors: Sequence[Descriptor]
    client: Client


class Dispatcher:
    """Answers calls."""

    def __init__(
        self, routing: Routing, cache: Keeper, outcomes: Outcomes, reloader: Reloader, status: Callable[[], Status]
    ) -> None:
        self._routing = routing
        self._cache = cache
        self._outcomes = outcomes
        self._reloader = reloader
        self._status = status
        self._methods = {
            f"{INTERFACE}.Route": _method(RouteRequest, self._route),
            f"{INTERFACE}.Predict": _method(PredictRequest, self._predict),
            f"{INTERFACE}.Report": _method(ReportRequest, self._report),
            f"{INTERFACE}.Status": _method(Empty, self._tell_status),
            f"{INTERFACE}.Reload": _method(Empty, self._reload),
            f"{INTERFACE}.Cache": _method(Empty, self._tell_cache),
            f"{INTERFACE}.FlushCache": _method(Empty, self._flush_cache),
            f"{SERVICE_INTERFACE}.GetInfo": _method(Empty, self._info),
            f"{SERVICE_INTERFACE}.GetInterfaceDescription": _method(DescriptionRequest, self._description),
        }

    async def answer(self, call: Call, descriptors: Sequence[Descriptor], client: Client) -> msgspec.Struct:
        """Return the reply's parameters.

        Raises:
            RequestError: the call cannot be answered.
            RouterError: a value in it makes no sense to the router.
        """
        method = self._methods.get(call.method)
        if method is None:
            interface = call.method.rpartition(".")[0]
            raise MethodNotFound(call.method) if interface in DESCRIPTIONS else InterfaceNotFound(interface)
        if call.upgrade:
            raise MethodNotImplemented(call.method)
        return await method(call, descriptors, client)

    async def _route(self, request: Request[RouteRequest]) -> RouteReply:
        constraints = request_constraints(request.parameters)
        asked = self._routing.look_up(request.parameters, request.descriptors)
        if asked.prediction is None:
            asked = await request.client.while_connected(partial(self._routing.wait_prediction, asked))
        return self._routing.decide(asked, constraints)

    async def _predict(self, request: Request[PredictRequest]) -> PredictReply:
        asked = self._routing.look_up_plan(request.parameters, request.descriptors)
        if asked.reply is not None:
            return asked.reply
        return await request.client.while_connected(partial(self._routing.wait_plan, asked))

    async def _report(self, request: Request[ReportRequest]) -> Empty:
        self._outcomes.add(request.parameters)
        return Empty()

    async def _tell_status(self, _request: Request[Empty]) -> StatusReply:
        return StatusReply(status=self._status())

    async def _reload(self, _request: Request[Empty]) -> ReloadReply:
        return ReloadReply(export=(await self._reloader.reload()).info)

    async def _tell_cache(self, request: Request[Empty]) -> CacheReply:
        return self._cache.describe(request.client)

    async def _flush_cache(self, _request: Request[Empty]) -> FlushReply:
        return FlushReply(entries=self._cache.flush())

    async def _info(self, _request: Request[Empty]) -> ServiceInfo:
        return INFO

    async def _description(self, request: Request[DescriptionRequest]) -> DescriptionReply:
        name = request.parameters.interface
        if name not in DESCRIPTIONS:
            raise InterfaceNotFound(name)
        return DescriptionReply(DESCRIPTIONS[name])


_Method = Callable[[Call, Sequence[Descriptor], Client], Awaitable[msgspec.Struct]]


def _method(kind: type[P], handler: Callable[[Request[P]], Awaitable[msgspec.Struct]]) -> _Method:
    decoder = msgspec.json.Decoder(kind)

    def call(call: Call, descriptors: Sequence[Descriptor], client: Client) -> Awaitable[msgspec.Struct]:
        return handler(Request(decode_parameters(decoder, call.parameters), descriptors, client))

    return call
