"""The Varlink protocol as bytes in, values out; nothing here touches a socket.

A message is one JSON object and a NUL. Both sides collect bytes with `receive_data` and ask for whole messages;
"not enough yet" is None. File descriptors are not bytes: they ride beside them.
"""

import re
from typing import Final, Generic, TypeVar

import msgspec

from vecroute.errors import InvalidParameter, MessageTooLarge, ProtocolError, RequestError, one_line

T = TypeVar("T")

# Longest message in bytes, without its NUL. An inline image of 1.5 MB in base64 fits; larger ones go as a descriptor.
MAX_MESSAGE: Final = 2 * 2**20
SERVICE_INTERFACE: Final = "org.varlink.service"


class Call(msgspec.Struct, frozen=True):
    """One call as it came. Keys that we do not know are ignored, as the protocol asks.

    `oneway`: the caller wants no reply at all, not even an error. `more`: it takes several.
    """

    method: str
    parameters: msgspec.Raw = msgspec.Raw()
    oneway: bool = False
    more: bool = False
    upgrade: bool = False


class Reply(msgspec.Struct, frozen=True):
    """One reply as it came; `error` is a fully qualified name, `continues` says that more replies follow."""

    parameters: msgspec.Raw = msgspec.Raw()
    continues: bool = False
    error: str | None = None


class TypedReply(msgspec.Struct, Generic[T], frozen=True):
    """The same with the parameters decoded in one go."""

    parameters: T | None = None
    continues: bool = False
    error: str | None = None


_UNTYPED = msgspec.json.Decoder(Reply)


# Outgoing twins: the parameters are a struct or a mapping, and false or absent keys are left out (some peers hang up
# on keys they did not expect).
class _CallOut(msgspec.Struct, omit_defaults=True):
    method: str
    parameters: object = None
    oneway: bool = False
    more: bool = False


class _ReplyOut(msgspec.Struct, omit_defaults=True):
    parameters: object = None
    continues: bool = False
    error: str | None = None


# The two shapes of msgspec's messages: "... field `name`", and "... - at `$.path`" (`$` alone is the whole object).
_FIELD = re.compile(r"field `(.*?)`(?: - at |$)")
_AT = re.compile(r" - at `\$\.(.*)`$")
_ABSENT = (b"", b"null")
_ENCODER = msgspec.json.Encoder()


class MessageReader:
    """Collect bytes until they make whole messages. A message over the limit is dropped up to its NUL."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._buffer: bytes | bytearray = b""  # bytes as long as messages arrive whole: one copy less
        self._searched = 0  # this many bytes are known to hold no NUL, so that single bytes cost no second search
        self._discarding = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._buffer)} bytes waiting{', discarding' * self._discarding}>"

    @property
    def at_boundary(self) -> bool:
        """Whether everything received so far was taken: the next byte begins a message."""
        return not self._buffer and not self._discarding

    def receive_data(self, data: bytes) -> None:
        """Keep bytes for the next message; parse nothing yet."""
        if not self._buffer:
            self._buffer = data
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer)
        self._buffer += data

    def next_message(self) -> bytes | None:
        """Return one message without its NUL, or None for "give me more bytes".

        Raises:
            MessageTooLarge: a message over the limit has ended; those behind it can still be read.
        """
        buffer = self._buffer
        end = buffer.find(0, self._searched)
        if end < 0:
            self._drop_excess()
            return None
        too_large = self._discarding or end > self._limit
        self._buffer, self._searched, self._discarding = buffer[end + 1 :], 0, False
        if too_large:
            raise MessageTooLarge(self._limit)
        return bytes(buffer[:end])

    def _drop_excess(self) -> None:
        if self._discarding or len(self._buffer) > self._limit:
            self._discarding = True
            self._buffer = b""
        self._searched = len(self._buffer)


class ServerCodec(MessageReader):
    """The service's side: calls in."""

    _decoder = msgspec.json.Decoder(Call)

    def next_call(self) -> Call | None:
        """Return one call, or None for "give me more bytes".

        Raises:
            MessageTooLarge: answer it as an error and go on.
            ProtocolError: the message is no call; close the connection.
        """
        message = self.next_message()
        return None if message is None else _decode(self._decoder, message)


class ClientCodec(MessageReader):
    """The client's side: replies in."""

    def next_message(self) -> bytes | None:
        """Return one message without its NUL, or None for "give me more bytes".

        Raises:
            ProtocolError: it is over the limit; close the connection.
        """
        try:
            return super().next_message()
        except MessageTooLarge as exc:
            raise ProtocolError(f"a reply of more than {exc.limit} bytes") from exc

    def next_reply(self) -> Reply | None:
        """Return one reply, or None for "give me more bytes".

        Raises:
            ProtocolError: the message is no reply or is over the limit; close the connection.
        """
        message = self.next_message()
        return None if message is None else _decode(_UNTYPED, message)


def encode_call(method: str, parameters: object = None, *, oneway: bool = False, more: bool = False) -> bytes:
    """Return a call's message, NUL included. `method` is fully qualified; `parameters` a struct or mapping."""
    return _ENCODER.encode(_CallOut(method, parameters, oneway, more)) + b"\0"


def encode_reply(parameters: object = None, *, continues: bool = False) -> bytes:
    """Return a reply's message, NUL included. `parameters` is a struct or mapping."""
    return _ENCODER.encode(_ReplyOut(parameters, continues)) + b"\0"


def encode_error(error: RequestError) -> bytes:
    """Return an error's message, NUL included; it is final. Text that is no Unicode is written with backslashes."""
    parameters = {name: _sendable(value) for name, value in error.wire_parameters().items()}
    return _ENCODER.encode(_ReplyOut(parameters or None, False, error.wire_name())) + b"\0"


def decode_parameters(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw) -> T:
    """Return typed parameters; absent, null and {} are equal.

    Raises:
        InvalidParameter: a parameter is unknown, missing or of the wrong type.
        ProtocolError: what looked like an object is broken inside (bytes that are no UTF-8).
    """
    try:
        return decoder.decode(body(raw))
    except msgspec.ValidationError as exc:
        raise InvalidParameter(_parameter_of(str(exc))) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolError(str(exc)) from exc


def decode_reply(decoder: msgspec.json.Decoder[TypedReply[T]], message: bytes) -> TypedReply[T] | Reply:
    """Return a message as a typed reply; as an untyped one if it carries an error, whose parameters differ.

    Raises:
        ProtocolError: the message is no reply, or its parameters are of other types.
    """
    try:
        reply = decoder.decode(message)
    except msgspec.ValidationError as exc:
        plain = _decode(_UNTYPED, message)
        if plain.error is None:
            raise ProtocolError(f"an unusable reply: {exc}") from exc
        return plain
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolError(str(exc)) from exc
    return reply if reply.error is None else _decode(_UNTYPED, message)


def body(raw: msgspec.Raw) -> memoryview | bytes:
    """Return parameters as the bytes of an object; absent, null and {} are equal."""
    data = memoryview(raw)
    return b"{}" if data.nbytes <= 4 and bytes(data) in _ABSENT else data


def _decode(decoder: msgspec.json.Decoder[T], message: bytes) -> T:
    # RecursionError: 100,000 opening brackets are no DecodeError for msgspec.
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolError(str(exc)) from exc


def _parameter_of(problem: str) -> str:
    """Return the parameter that a validation message speaks of, such as `plan.mode`; `parameters` for all of it."""
    at = _AT.search(problem)
    path = at[1] if at else ""
    if field := _FIELD.search(problem):
        return f"{path}.{field[1]}".removeprefix(".")
    return path or "parameters"


def _sendable(value: object) -> object:
    return one_line(value) if isinstance(value, str) else value
