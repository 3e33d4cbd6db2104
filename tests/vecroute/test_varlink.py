"""The codec: whole, byte by byte, merged, too long, and broken in every way we know."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vecroute.builders import PLAN
from vecroute import errors
from vecroute._varlink import (
    MAX_MESSAGE,
    Call,
    ClientCodec,
    MessageReader,
    Reply,
    ServerCodec,
    decode_parameters,
    encode_call,
    encode_error,
    encode_reply,
)
from vecroute._wire import Empty, PredictRequest, RouteRequest, plan_to_wire

CALL = b'{"method":"a.b.C","parameters":{"x":1}}'
ROUTE = msgspec.json.Decoder(RouteRequest)
PREDICT = msgspec.json.Decoder(PredictRequest)


def read_all(reader: MessageReader) -> list[bytes | str]:
    """Return the messages that are there; the name of the error in place of one that is too large."""
    messages: list[bytes | str] = []
    while True:
        try:
            message = reader.next_message()
        except errors.MessageTooLarge as error:
            messages.append(type(error).__name__)
            continue
        if message is None:
            return messages
        messages.append(message)


# ------------------------------------------------------------------ bytes to messages


def test_a_whole_message() -> None:
    reader = MessageReader()
    reader.receive_data(b"one\0")
    assert read_all(reader) == [b"one"]
    assert reader.at_boundary


def test_byte_by_byte() -> None:
    reader = MessageReader()
    got = []
    for byte in b"one\0two\0":
        reader.receive_data(bytes([byte]))
        got.append(read_all(reader))
    assert got == [[], [], [], [b"one"], [], [], [], [b"two"]]


@pytest.mark.parametrize("cut", range(len(b"one\0two\0") + 1))
def test_split_in_two_anywhere(cut: int) -> None:
    reader = MessageReader()
    got = []
    for part in (b"one\0two\0"[:cut], b"one\0two\0"[cut:]):
        reader.receive_data(part)
        got += read_all(reader)
    assert got == [b"one", b"two"]


def test_merged_with_bytes_left_over() -> None:
    reader = MessageReader()
    reader.receive_data(b"one\0two\0thr")
    assert read_all(reader) == [b"one", b"two"]
    assert not reader.at_boundary
    reader.receive_data(b"ee\0")
    assert read_all(reader) == [b"three"]
    assert reader.at_boundary


def test_an_empty_message_is_a_message() -> None:
    reader = MessageReader()
    reader.receive_data(b"\0\0")
    assert read_all(reader) == [b"", b""]


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\0", b"0"))), st.data())
def test_however_messages_are_cut_they_come_out_whole(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(message + b"\0" for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    reader = MessageReader(limit=8)
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.receive_data(stream[start:end])
        got += read_all(reader)
    assert got == [message if len(message) <= 8 else "MessageTooLarge" for message in messages]
    assert reader.at_boundary


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_message_over_the_limit_is_dropped_up_to_its_nul(step: int) -> None:
    reader = MessageReader(limit=10)
    stream = b"a\0" + b"b" * 11 + b"\0" + b"c" * 10 + b"\0"
    got: list[bytes | str] = []
    for start in range(0, len(stream), step):
        reader.receive_data(stream[start : start + step])
        got += read_all(reader)
    assert got == [b"a", "MessageTooLarge", b"c" * 10]


def test_a_message_that_never_ends_takes_no_more_memory_than_the_limit() -> None:
    reader = MessageReader(limit=1000)
    for _ in range(100):
        reader.receive_data(b"x" * 600)
        assert reader.next_message() is None
        assert len(reader._buffer) <= 1000
    assert not reader.at_boundary
    assert repr(reader) == "<MessageReader 0 bytes waiting, discarding>"


def test_the_limit_is_two_mebibytes() -> None:
    codec = ServerCodec()
    codec.receive_data(b"x" * (MAX_MESSAGE + 1) + b"\0" + CALL + b"\0")
    with pytest.raises(errors.MessageTooLarge, match="2097152 bytes"):
        codec.next_call()
    assert codec.next_call() is not None


# ------------------------------------------------------------------ messages to calls and replies


def next_call(message: bytes) -> Call | None:
    codec = ServerCodec()
    codec.receive_data(message + b"\0")
    return codec.next_call()


def next_reply(message: bytes) -> Reply | None:
    codec = ClientCodec()
    codec.receive_data(message + b"\0")
    return codec.next_reply()


def test_a_call() -> None:
    call = next_call(CALL)
    assert call is not None
    assert (call.method, bytes(call.parameters)) == ("a.b.C", b'{"x":1}')
    assert (call.oneway, call.more, call.upgrade) == (False, False, False)


def test_a_call_with_everything_and_keys_we_do_not_know() -> None:
    call = next_call(b'{"com.example.x":[1],"method":"a.b.C","oneway":true,"more":true,"upgrade":true}')
    assert call == Call("a.b.C", msgspec.Raw(), True, True, True)


def test_a_reply() -> None:
    assert next_reply(b'{"parameters":{"x":1},"continues":true}') == Reply(msgspec.Raw(b'{"x":1}'), True)
    assert next_reply(b'{"error":"a.b.C"}') == Reply(error="a.b.C")
    assert next_reply(b"{}") == Reply()


BROKEN = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{", id="cut off"),
    pytest.param(b"{} {}", id="two objects"),
    pytest.param(b"[]", id="array"),
    pytest.param(b"nonsense", id="words"),
    pytest.param(b'{"method":1,"error":1}', id="wrong type"),
    pytest.param(b'{"method":"a","error":"a","parameters":{"x":NaN}}', id="NaN"),
    pytest.param(b'{"method":"a","error":"a","parameters":{"x":"\\ud800"}}', id="lone surrogate"),
    pytest.param(b'{"method":"\xff","error":"\xff"}', id="no UTF-8"),
    pytest.param(b'{"parameters":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="100,000 deep"),
    pytest.param(b'{"x":' + b'{"x":' * 100_000, id="100,000 objects"),
]


@pytest.mark.parametrize("message", BROKEN)
def test_what_is_no_call_is_a_protocol_error(message: bytes) -> None:
    with pytest.raises(errors.ProtocolError) as caught:
        next_call(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("message", BROKEN)
def test_what_is_no_reply_is_a_protocol_error(message: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        next_reply(message)


def test_a_broken_call_leaves_the_next_one_readable() -> None:
    codec = ServerCodec()
    codec.receive_data(b"{]\0" + CALL + b"\0")
    with pytest.raises(errors.ProtocolError):
        codec.next_call()
    assert codec.next_call() is not None


def test_a_reply_over_the_limit_is_a_protocol_error() -> None:
    codec = ClientCodec(limit=3)
    codec.receive_data(b"long\0")
    with pytest.raises(errors.ProtocolError, match="3 bytes"):
        codec.next_reply()


def test_not_enough_yet_is_none() -> None:
    assert ServerCodec().next_call() is None
    assert ClientCodec().next_reply() is None


# ------------------------------------------------------------------ values to bytes


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(encode_call("a.B"), b'{"method":"a.B"}\0', id="call"),
        pytest.param(encode_call("a.B", {"x": 1}), b'{"method":"a.B","parameters":{"x":1}}\0', id="parameters"),
        pytest.param(encode_call("a.B", oneway=True), b'{"method":"a.B","oneway":true}\0', id="oneway"),
        pytest.param(encode_call("a.B", more=True), b'{"method":"a.B","more":true}\0', id="more"),
        pytest.param(encode_reply(), b"{}\0", id="nothing to say"),
        pytest.param(encode_reply(Empty()), b'{"parameters":{}}\0', id="empty"),
        pytest.param(encode_reply({"x": 1}, continues=True), b'{"parameters":{"x":1},"continues":true}\0', id="stream"),
        pytest.param(
            encode_error(errors.MethodNotFound("a.B")),
            b'{"parameters":{"method":"a.B"},"error":"org.varlink.service.MethodNotFound"}\0',
            id="error",
        ),
        pytest.param(encode_error(errors.ExpectedMore()), b'{"error":"org.varlink.service.ExpectedMore"}\0', id="bare"),
    ],
)
def test_false_and_empty_keys_are_left_out(message: bytes, expected: bytes) -> None:
    assert message == expected


def test_text_that_is_no_unicode_travels_with_backslashes() -> None:
    message = encode_error(errors.InvalidImage("caf\udce9.png\nis\0bad"))
    assert b'"message":"caf\\\\udce9.png is\\\\0bad"' in message
    assert message.count(b"\0") == 1
    assert encode_error(errors.MethodNotFound("\ud800")).count(b"\0") == 1


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize("raw", [b"", b"null", b"{}"])
def test_absent_null_and_empty_parameters_are_equal(raw: bytes) -> None:
    assert decode_parameters(ROUTE, msgspec.Raw(raw)) == RouteRequest()


@pytest.mark.parametrize(
    ("raw", "parameter"),
    [
        pytest.param(b'{"qualityTarget":"high"}', "qualityTarget", id="type"),
        pytest.param(b'{"quality_target":0.9}', "quality_target", id="unknown"),
        pytest.param(b'{"preferredMethods":["ppo",1]}', "preferredMethods[1]", id="item"),
        pytest.param(b'{"features":{"entropy":"x"}}', "features[...]", id="value"),
        pytest.param(b'{"content":"no base64!"}', "content", id="base64"),
        pytest.param(b'{"svgBudget":1e30}', "svgBudget", id="no integer"),
        pytest.param(b'{"timeBudget":1e999}', "timeBudget", id="no number"),
        pytest.param(b"[]", "parameters", id="array"),
        pytest.param(b"3", "parameters", id="number"),
    ],
)
def test_a_wrong_parameter_is_named(raw: bytes, parameter: str) -> None:
    with pytest.raises(errors.InvalidParameter) as caught:
        decode_parameters(ROUTE, msgspec.Raw(raw))
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("raw", "parameter"),
    [
        pytest.param(b'{"method":"ppo"}', "plan", id="missing"),
        pytest.param(b'{"method":"ppo","plan":{"mode":"waves"}}', "plan.mode", id="nested"),
        pytest.param(b'{"method":"ppo","plan":{"color_precision":1}}', "plan.color_precision", id="nested unknown"),
    ],
)
def test_a_wrong_parameter_inside_another_is_named(raw: bytes, parameter: str) -> None:
    with pytest.raises(errors.InvalidParameter) as caught:
        decode_parameters(PREDICT, msgspec.Raw(raw))
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("raw", [b'{"policy":"\xff"}', b'{"features":{"\xff":1}}'], ids=["value", "key"])
def test_parameters_that_are_no_utf8_are_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        decode_parameters(ROUTE, msgspec.Raw(raw))


def test_a_request_survives_the_way() -> None:
    request = PredictRequest(method="ppo", plan=plan_to_wire(PLAN), content=b"\x00\xff")
    call = next_call(encode_call("a.B", request)[:-1])
    assert call is not None
    assert decode_parameters(PREDICT, call.parameters) == request
