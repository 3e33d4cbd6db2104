"""One connection: calls are answered in order, an error is an answer, and nothing a client does harms another."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import structlog

from daemon.channel import Channel, Received
from daemon.dispatch import Dispatcher
from daemon.images import Descriptor
from daemon.status import Counters
from router.errors import RouterError
from vecroute._varlink import Call, encode_error, encode_reply
from vecroute.errors import InternalError, InvalidValue, ProtocolError, RequestError, ShuttingDown, from_router

T = TypeVar("T")

_log = structlog.get_logger("daemon.conversation")


class ClientGone(ConnectionError):
    """The client closed the connection while its call was being answered."""


class Conversation:
    """Reads calls from a channel and answers them until the client is done."""

    def __init__(self, channel: Channel, dispatcher: Dispatcher, counters: Counters) -> None:
        self._channel = channel
        self._dispatcher = dispatcher
        self._counters = counters
        self._attached: list[Descriptor] = []
        self._at_end: list[Callable[[], None]] = []

    async def run(self) -> None:
        """Talk until the client ends it, goes away, or stops reading or writing in the middle of a message.

        Whatever its socket does ends this conversation alone.
        """
        try:
            while await self._converse():
                pass
        except TimeoutError:
            _log.info("client dropped", reason="it stopped writing or reading in the middle of a message")
        except OSError as error:
            _log.debug("client gone", reason=str(error))
        finally:
            self._channel.close()
            for work in self._at_end:
                work()

    def attach(self, descriptor: Descriptor) -> int:
        """Send a descriptor with the reply to the call under way; return its index there."""
        self._attached.append(descriptor)
        return len(self._attached) - 1

    def at_end(self, work: Callable[[], None]) -> None:
        """Have something done when the connection has ended."""
        self._at_end.append(work)

    def end_input(self) -> None:
        """Let `run` answer what has arrived so far and then return."""
        self._channel.end_input()

    async def while_connected(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what the work gives; it is cancelled if the client goes away. Raises what the work raises."""
        results: list[T] = []
        error: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_gone, tasks.cancel_scope)
            try:
                results.append(await work())
            except Exception as raised:  # noqa: BLE001 - the task group would wrap it; it is raised right below
                error = raised
            tasks.cancel_scope.cancel()
        if error is not None:
            try:
                raise error
            finally:
                error = None  # or it would hold this frame, which holds it, until the collector comes by
        if not results:
            raise ClientGone
        return results[0]

    async def _cancel_when_gone(self, scope: anyio.CancelScope) -> None:
        await self._channel.wait_gone()
        scope.cancel()

    async def _converse(self) -> bool:
        """Answer one call; tell whether there was one. Its descriptors close at the end, not with the next call."""
        received = await self._channel.receive()
        if received is None:
            return False
        self._counters.requests += 1
        self._counters.inflight += 1
        try:
            reply = await self._reply(received)
        except anyio.get_cancelled_exc_class():
            # The drain is over. There is no time to wait, but the client should know why.
            if not _is_oneway(received):
                self._channel.say_nowait(ShuttingDown())
            raise
        finally:
            self._counters.inflight -= 1
            attached, self._attached = self._attached, []
        if not _is_oneway(received):
            await self._channel.send(reply, attached)
        return True

    async def _reply(self, received: Received) -> bytes:
        try:
            if isinstance(received.call, RequestError):
                return self._error(received.call)
            return encode_reply(await self._dispatcher.answer(received.call, received.descriptors, self))
        except RequestError as error:
            return self._error(error)
        except RouterError as error:
            return self._error(from_router(error))
        except ProtocolError as error:
            # Parameters are decoded late: only then does it show that their text is no UTF-8.
            return self._error(InvalidValue("message", str(error)))
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - logged in full, and told to the client
            # One request's bad luck must not end the service for all others.
            _log.error("request failed", exc_info=error)
            kind = type(error).__name__
            return self._error(InternalError(f"the daemon failed on this request ({kind}); see its log and report it"))

    def _error(self, error: RequestError) -> bytes:
        self._counters.errors += 1
        _log.debug("request refused", error=type(error).__name__, message=str(error))
        return encode_error(error)


def _is_oneway(received: Received) -> bool:
    """Tell whether the client wants no reply, not even an error."""
    return isinstance(received.call, Call) and received.call.oneway
