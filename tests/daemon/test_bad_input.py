"""Bad input gets a typed error that says what to do, on one line; the connection and all others go on."""

import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from tests.daemon.harness import PATIENCE, Daemon, Raw, StartDaemon
from tests.daemon.pictures import noise, png, saved
from vecroute._interface import INTERFACE
from vecroute._varlink import MAX_MESSAGE, Reply, encode_call

OURS = f"{INTERFACE}."
SERVICE = "org.varlink.service."


@pytest.fixture
def client(shared: Daemon) -> Iterator[Raw]:
    """A connection that must still answer when its test is over, as must others."""
    with shared.connect() as raw:
        yield raw
        assert _decided(raw.call("Route", {"fileDescriptor": 0}, _memory(png())))
    with shared.connect() as other:
        assert _decided(other.call("Route", {"fileDescriptor": 0}, _memory(png())))
    assert shared.process.poll() is None


def _memory(data: bytes) -> int:
    number = os.memfd_create("image")
    os.write(number, data)
    return number


def _decided(reply: Reply) -> bool:
    assert reply.error is None, bytes(reply.parameters)
    return bool(msgspec.json.decode(reply.parameters)["decision"]["reasoning"])


def _refused(reply: Reply, name: str, said: str = "") -> dict[str, object]:
    """Return the parameters of an error after checking its name and message."""
    assert reply.error == name, bytes(reply.parameters)
    parameters: dict[str, object] = msgspec.json.decode(reply.parameters)
    message = str(parameters.get("message", ""))
    assert "\n" not in message
    assert said in message
    if name.startswith(OURS):
        assert len(message) > 10
    return parameters


def _lying_png(width: int, height: int) -> bytes:
    """Return a small PNG whose header claims another size."""
    data = bytearray(png())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


BAD_IMAGES = {
    "not an image": (b"this is a text, not an image", "InvalidImage", "are not an image"),
    "empty": (b"", "InvalidImage", "0 bytes"),
    "truncated": (noise(64)[:1500], "InvalidImage", "damaged"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "InvalidImage", ""),
    "header that claims other columns": (_lying_png(4000, 24), "InvalidImage", "damaged"),
    "header over the pixel limit": (_lying_png(60_000, 60_000), "ImageTooLarge", "scale it down"),
}


@pytest.mark.parametrize(("data", "name", "said"), BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_an_image_that_cannot_be_read_is_refused(client: Raw, data: bytes, name: str, said: str) -> None:
    _refused(client.call("Route", {"fileDescriptor": 0}, _memory(data)), OURS + name, said)
    _refused(client.call("Route", {"content": data}), OURS + name, said)
    _refused(
        client.call("Predict", {"fileDescriptor": 0, "method": "performance", "plan": {}}, _memory(data)), OURS + name
    )


def test_more_bytes_than_the_limit_are_refused_with_the_numbers(client: Raw) -> None:
    number = os.memfd_create("large")
    os.ftruncate(number, 32 * 2**20 + 1)
    said = _refused(client.call("Route", {"fileDescriptor": 0}, number), OURS + "ImageTooLarge", "scale it down")
    assert (said["amount"], said["limit"], said["unit"]) == (32 * 2**20 + 1, 32 * 2**20, "bytes")


def test_more_pixels_than_the_limit_are_refused_with_the_numbers(client: Raw) -> None:
    said = _refused(
        client.call("Route", {"fileDescriptor": 0}, _memory(_lying_png(9000, 9000))), OURS + "ImageTooLarge"
    )
    assert (said["amount"], said["limit"], said["unit"]) == (81_000_000, 64 * 2**20, "pixels")


def _animation() -> bytes:
    frames = [Image.new("P", (20, 20), n) for n in range(3)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


ODD_IMAGES: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: saved(Image.new("CMYK", (20, 20), (10, 200, 30, 0)), "JPEG"),
    "16 bits": lambda: saved(Image.fromarray(np.full((20, 20), 40_000, np.uint16)), "PNG"),
    "palette": lambda: saved(Image.new("RGB", (20, 20), (1, 2, 3)).convert("P"), "PNG", transparency=0),
    "animated": _animation,
    "1x1": lambda: png((1, 1)),
    "4x3000": lambda: png((4, 3000)),
    "fully transparent": lambda: png((40, 40), (0, 0, 0, 0)),
    "larger than is read on the loop": lambda: noise(600),
}


@pytest.mark.parametrize("make", ODD_IMAGES.values(), ids=ODD_IMAGES.keys())
def test_an_odd_image_gets_a_decision(client: Raw, make: Callable[[], bytes]) -> None:
    assert _decided(client.call("Route", {"fileDescriptor": 0}, _memory(make())))


def _directory(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


def _fifo(tmp_path: Path) -> int:
    os.mkfifo(tmp_path / "fifo")
    return os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)


BAD_DESCRIPTORS: dict[str, tuple[Callable[[Path], int], str]] = {
    "directory": (_directory, "directory"),
    "FIFO": (_fifo, "pipe"),
    "device": (lambda _: os.open("/dev/zero", os.O_RDONLY), "device"),
    "path only": (lambda _: os.open(__file__, os.O_PATH), "not open for reading"),
    "write only": (lambda path: os.open(path / "new", os.O_WRONLY | os.O_CREAT), "not open for reading"),
}


@pytest.mark.parametrize(("opened", "said"), BAD_DESCRIPTORS.values(), ids=BAD_DESCRIPTORS.keys())
def test_a_descriptor_that_is_no_readable_file_is_refused(
    client: Raw, tmp_path: Path, opened: Callable[[Path], int], said: str
) -> None:
    number = opened(tmp_path)
    _refused(client.call("Route", {"fileDescriptor": 0}, number), OURS + "InvalidImage", said)
    os.close(number)


BAD_VALUES: dict[str, tuple[dict[str, object], str]] = {
    "quality target 0": ({"qualityTarget": 0}, "qualityTarget"),
    "quality target above 1": ({"qualityTarget": 1.01}, "qualityTarget"),
    "quality target below 0": ({"qualityTarget": -0.5}, "qualityTarget"),
    "time budget 0": ({"timeBudget": 0}, "timeBudget"),
    "time budget below 0": ({"timeBudget": -1}, "timeBudget"),
    "size budget 0": ({"svgBudget": 0}, "svgBudget"),
    "unknown preferred method": ({"preferredMethods": ["magic"]}, "preferredMethods"),
    "unknown avoided method": ({"avoidedMethods": ["magic"]}, "avoidedMethods"),
    "preferred and avoided": ({"preferredMethods": ["ppo"], "avoidedMethods": ["ppo"]}, "preferredMethods"),
    "unknown policy": ({"policy": "cheapest"}, "policy"),
    "unknown feature": ({"features": {"charm": 1.0}}, "features"),
    "no features": ({"features": {}}, "features"),
    "hash that is none": ({"hash": "xyz"}, "hash"),
    "index without a descriptor": ({"fileDescriptor": 0}, "fileDescriptor"),
    "negative index": ({"fileDescriptor": -1}, "fileDescriptor"),
    "image given twice": ({"hash": "0" * 32, "features": {"entropy": 1.0}}, "features"),
}


@pytest.mark.parametrize(("parameters", "parameter"), BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_value_out_of_range_is_refused_by_name(client: Raw, parameters: dict[str, object], parameter: str) -> None:
    ways = ("features", "hash", "fileDescriptor")
    image = {} if any(way in parameters for way in ways) else {"features": {"entropy": 1.0}}
    assert _refused(client.call("Route", image | parameters), OURS + "InvalidValue")["parameter"] == parameter


def test_no_image_is_refused(client: Raw) -> None:
    assert _refused(client.call("Route"), OURS + "InvalidValue", "exactly one")


def test_an_unknown_hash_asks_for_the_image(client: Raw) -> None:
    said = _refused(client.call("Route", {"hash": "ab" * 16}), OURS + "UnknownImage", "send the image")
    assert said["hash"] == "ab" * 16


def test_an_unknown_method_to_predict_is_refused(client: Raw) -> None:
    parameters = {"features": {"entropy": 1.0}, "method": "magic", "plan": {}}
    assert _refused(client.call("Predict", parameters), OURS + "InvalidValue")["parameter"] == "method"


def test_a_plan_out_of_bounds_is_refused(client: Raw) -> None:
    parameters = {"features": {"entropy": 1.0}, "method": "performance", "plan": {"upscale": 99}}
    assert _refused(client.call("Predict", parameters), OURS + "InvalidValue")["parameter"] == "plan.upscale"


def test_a_report_of_nonsense_is_refused(client: Raw) -> None:
    parameters = {"method": "performance", "quality": 7.0, "seconds": 0.1, "svgBytes": 10}
    assert _refused(client.call("Report", parameters), OURS + "InvalidValue")["parameter"] == "quality"


WRONG_TYPES: dict[str, tuple[dict[str, object], str]] = {
    "text for a number": ({"qualityTarget": "high"}, "qualityTarget"),
    "number for text": ({"policy": 1}, "policy"),
    "unknown parameter": ({"quality": 0.9}, "quality"),
    "content that is no base64": ({"content": "%%%"}, "content"),
}


@pytest.mark.parametrize(("parameters", "parameter"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_a_wrong_type_is_refused_by_name(client: Raw, parameters: dict[str, object], parameter: str) -> None:
    assert _refused(client.call("Route", parameters), SERVICE + "InvalidParameter")["parameter"] == parameter


@pytest.mark.parametrize(
    ("method", "error", "key"),
    [
        (f"{INTERFACE}.Fly", "MethodNotFound", "method"),
        ("org.varlink.service.Fly", "MethodNotFound", "method"),
        ("org.example.Other.Route", "InterfaceNotFound", "interface"),
        ("Route", "InterfaceNotFound", "interface"),
    ],
)
def test_an_unknown_method_or_interface_is_named(client: Raw, method: str, error: str, key: str) -> None:
    client.send(encode_call(method))
    assert key in _refused(client.reply(), SERVICE + error)


def test_an_upgrade_is_not_offered(client: Raw) -> None:
    client.send(json.dumps({"method": f"{INTERFACE}.Status", "upgrade": True}).encode() + b"\0")
    _refused(client.reply(), SERVICE + "MethodNotImplemented")


BROKEN = {
    "broken JSON": b'{"method": ',
    "no object": b"[1, 2]",
    "no method": b'{"parameters": {}}',
    "not UTF-8": b'{"method": "\xff\xfe"}',
    "nothing": b"",
    "100,000 brackets": b'{"method": "x", "parameters": ' + b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "not UTF-8 inside a parameter": f'{{"method": "{INTERFACE}.Route", "parameters": {{"policy": "'.encode()
    + b'\xff"}}',
    "NaN as a budget": f'{{"method": "{INTERFACE}.Route", "parameters": {{"timeBudget": NaN}}}}'.encode(),
}


@pytest.mark.parametrize("message", BROKEN.values(), ids=BROKEN.keys())
def test_a_message_that_is_no_call_is_answered(client: Raw, message: bytes) -> None:
    client.send(message + b"\0")
    assert _refused(client.reply(), OURS + "InvalidValue")["parameter"] == "message"


def test_a_message_over_the_limit_is_dropped_and_answered(client: Raw) -> None:
    client.send(b"x" * (MAX_MESSAGE + 1) + b"\0")
    assert _refused(client.reply(), OURS + "MessageTooLarge", "file descriptor")["limit"] == MAX_MESSAGE


def test_too_many_descriptors_are_refused_and_closed(client: Raw, shared: Daemon) -> None:
    before = _open_descriptors(shared, client)
    numbers = [_memory(png()) for _ in range(9)]
    said = _refused(client.call("Route", {"fileDescriptor": 0}, *numbers), OURS + "InvalidValue", "at most 4")
    assert said["parameter"] == "fileDescriptor"
    for number in numbers:
        os.close(number)
    assert _open_descriptors(shared, client) <= before


def test_no_error_keeps_descriptors_open_until_the_collector_comes_by(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "none", before="import gc\ngc.disable()")
    numbers = [_memory(data) for data, _, _ in BAD_IMAGES.values()] + [_memory(noise(600)[:-900]), _directory(tmp_path)]
    with daemon.connect() as raw:
        before = _open_descriptors(daemon, raw)
        for number in numbers:
            assert raw.call("Route", {"fileDescriptor": 0}, number).error is not None
            with daemon.connect() as hasty:
                hasty.send(encode_call(f"{INTERFACE}.Route", {"fileDescriptor": 0}), number)
        _wait_closed(daemon, raw, before)


def _wait_closed(daemon: Daemon, client: Raw, count: int) -> None:
    """Return once the daemon has no more descriptors open: a thread may still read for a client that has gone."""
    deadline = time.monotonic() + PATIENCE
    while _open_descriptors(daemon, client) > count:
        assert time.monotonic() < deadline


def test_descriptors_that_nobody_asked_for_are_closed(client: Raw, shared: Daemon) -> None:
    before = _open_descriptors(shared, client)
    for _ in range(20):
        number = _memory(png())
        assert client.call("Status", None, number, number).error is None
        os.close(number)
    assert _open_descriptors(shared, client) <= before


def test_a_call_without_reply_gets_none_even_for_an_error(client: Raw) -> None:
    client.send(encode_call(f"{INTERFACE}.Route", {"qualityTarget": 7}, oneway=True))
    assert client.call("Status").error is None  # the first bytes that come are the answer to this


def test_the_client_may_end_its_sending_and_still_gets_the_answer(shared: Daemon) -> None:
    with shared.connect() as raw:
        raw.send(encode_call(f"{INTERFACE}.Route", {"fileDescriptor": 0}), _memory(png((33, 33))))
        raw.socket.shutdown(1)
        assert _decided(raw.reply())
        assert raw.is_closed()


def test_calls_may_follow_each_other_without_waiting(client: Raw) -> None:
    """Each descriptor belongs to the message that it came with, however the kernel merges what was sent."""
    client.send(encode_call(f"{INTERFACE}.Status") * 3)
    client.send(encode_call(f"{INTERFACE}.Route", {"fileDescriptor": 0}), _memory(png((20, 10))))
    client.send(encode_call(f"{INTERFACE}.Route", {"fileDescriptor": 0}))
    client.send(encode_call(f"{INTERFACE}.Route", {"fileDescriptor": 0}), _memory(png((10, 20))))
    assert [client.reply().error for _ in range(3)] == [None] * 3
    assert _decided(client.reply())
    assert _refused(client.reply(), OURS + "InvalidValue")["parameter"] == "fileDescriptor"
    assert _decided(client.reply())


def test_a_message_may_arrive_byte_by_byte(client: Raw) -> None:
    for byte in encode_call(f"{INTERFACE}.Status"):
        client.send(bytes([byte]))
    assert client.reply().error is None


def _open_descriptors(daemon: Daemon, client: Raw) -> int:
    """Count once the daemon has accepted this client and has let go of what came before."""
    assert client.call("Status").error is None
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
