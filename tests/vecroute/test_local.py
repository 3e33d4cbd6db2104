"""Both clients answer from the shared cache what it knows, and ask the daemon for everything else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import Candidate, Constraints, Host, Plan, Policy, Prediction, decide
from tests.vecroute.builders import DECISION, EXPORT, PLAN
from tests.vecroute.conftest import Caller, StartDaemon
from tests.vecroute.fake_daemon import REPLIES
from tests.vecroute.segments import FINGERPRINTS, SegmentWriter, prediction
from vecroute import SharedCache, _local, errors, image_hash
from vecroute._calls import PreparedCall
from vecroute._descriptors import read_small
from vecroute._entry import plan_key
from vecroute._layout import KIND_PLAN, BadSegment
from vecroute._wire import PredictReply

Connect = Callable[..., Caller]
IMAGE = b"an image that is known"
KEY = image_hash(IMAGE)
KNOWN = prediction()


@pytest.fixture
def segment(socket_path: Path) -> Iterator[SegmentWriter]:
    """A shared cache that knows one image."""
    with SegmentWriter(socket_path.with_name(socket_path.name + ".cache")) as writer:
        writer.publish(KEY, KNOWN)
        yield writer


def as_bytes(_directory: Path) -> dict[str, Any]:
    return {"image": IMAGE}


def as_path(directory: Path) -> dict[str, Any]:
    (directory / "a.png").write_bytes(IMAGE)
    return {"image": directory / "a.png"}


def as_hash(_directory: Path) -> dict[str, Any]:
    return {"hash": KEY}


def as_hex(_directory: Path) -> dict[str, Any]:
    return {"hash": KEY.hex()}


WAYS = pytest.mark.parametrize("given", [as_bytes, as_path, as_hash, as_hex])


# ------------------------------------------------------------------ what is known needs no daemon


@WAYS
@pytest.mark.usefixtures("segment")
def test_a_known_image_is_decided_here(connect: Connect, tmp_path: Path, given: Callable[..., dict[str, Any]]) -> None:
    found = connect()("route", **given(tmp_path), quality_target=0.9, preferred=["ppo"])
    wanted = Constraints(quality_target=0.9, preferred=frozenset({"ppo"}))
    expected = decide(KNOWN, wanted, Host(system_load=0.25, resource_availability=0.5), Policy())
    assert found == msgspec.structs.replace(expected, cache="local", decided_at=found.decided_at)
    assert found.decided_at > 0


@WAYS
def test_a_known_plan_is_predicted_here(
    connect: Connect, tmp_path: Path, segment: SegmentWriter, given: Callable[..., dict[str, Any]]
) -> None:
    candidate = Candidate(
        method="ppo", plan=PLAN, quality=0.75, quality_error=0.25, seconds=0.5, seconds_high=1.0, svg_bytes=64.0,
        svg_bytes_high=128.0,
    )  # fmt: skip
    segment.publish(plan_key(KEY, "ppo", PLAN), Prediction(candidates=(candidate,), lane="onnx"), kind=KIND_PLAN)
    expected = PredictReply(quality=0.75, quality_error=0.25, seconds=0.5, svg_bytes=64.0, lane="onnx", export=EXPORT)
    assert connect()("predict", **given(tmp_path), method="ppo", plan=PLAN) == expected


@pytest.mark.usefixtures("segment")
def test_a_method_that_offers_no_plan_is_the_same_error_as_the_daemons(
    connect: Connect, segment: SegmentWriter
) -> None:
    segment.publish(KEY, prediction(candidates=1))
    with pytest.raises(errors.InvalidValue) as caught:
        connect()("route", IMAGE, method="ppo")
    assert caught.value.parameter == "method"


@pytest.mark.parametrize(
    "given",
    [{"quality_target": 2}, {"method": "none"}, {"hash": "ab" * 16}, {"preferred": ["x"]}],
    ids=["target", "method", "image and hash", "preferred"],
)
@pytest.mark.usefixtures("segment")
def test_values_are_checked_before_the_cache_is_asked(connect: Connect, given: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidValue):
        connect()("route", IMAGE, **given)


@pytest.mark.usefixtures("segment")
def test_a_path_that_cannot_be_opened_is_the_same_error_as_ever(connect: Connect, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(errors.InvalidImage):
            connect()("route", path)


@pytest.mark.usefixtures("segment")
def test_a_closed_client_answers_nothing(connect: Connect) -> None:
    caller = connect()
    assert caller("route", IMAGE).cache == "local"
    caller("close")
    with pytest.raises(errors.ClientClosed):
        caller("route", IMAGE)


# ------------------------------------------------------------------ everything else goes to the daemon


def asks_the_daemon(start: StartDaemon, call: Caller, image: bytes | Path = IMAGE) -> bool:
    daemon = start()
    assert call("route", image) == DECISION
    content = image if isinstance(image, bytes) else image.read_bytes()
    return [(name, got) for name, _, got in daemon.calls] == [("Route", [content])]


@pytest.mark.usefixtures("segment")
def test_an_unknown_image(start: StartDaemon, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"another")
    assert asks_the_daemon(start, connect(), tmp_path / "b.png")


@pytest.mark.usefixtures("segment")
def test_features_and_plans_that_are_not_cached(start: StartDaemon, connect: Connect) -> None:
    daemon, call = start(), connect()
    assert call("route", features={"entropy": 1.0}) == DECISION
    assert call("predict", IMAGE, method="ppo", plan=Plan()) == REPLIES["Predict"]
    assert call("predict", features={"entropy": 1.0}, method="ppo", plan=Plan()) == REPLIES["Predict"]
    assert [name for name, _, _ in daemon.calls] == ["Route", "Predict", "Predict"]


def stale(writer: SegmentWriter) -> None:
    writer.beat(age_seconds=60)


def flushed(writer: SegmentWriter) -> None:
    writer.swap(FINGERPRINTS[1])


def writable_by_others(writer: SegmentWriter) -> None:
    writer.path.chmod(0o622)


def truncated(writer: SegmentWriter) -> None:
    data = writer.path.read_bytes()
    writer.path.unlink()
    writer.path.write_bytes(data[:-1])


def linked(writer: SegmentWriter) -> None:
    writer.path.rename(writer.path.with_name("elsewhere"))
    writer.path.symlink_to("elsewhere")


def no_file(writer: SegmentWriter) -> None:
    writer.path.unlink()


def a_directory(writer: SegmentWriter) -> None:
    writer.path.unlink()
    writer.path.mkdir()


@pytest.mark.parametrize(
    "spoil", [stale, flushed, writable_by_others, truncated, linked, no_file, a_directory], ids=lambda one: one.__name__
)
def test_a_cache_that_is_not_to_be_used(
    start: StartDaemon, connect: Connect, segment: SegmentWriter, spoil: Callable[[SegmentWriter], None]
) -> None:
    spoil(segment)
    assert asks_the_daemon(start, connect())


@pytest.mark.usefixtures("segment")
def test_a_client_that_does_not_want_it(start: StartDaemon, connect: Connect) -> None:
    assert asks_the_daemon(start, connect(shared_cache=False))


@pytest.mark.usefixtures("segment")
def test_an_environment_that_does_not_want_it(
    start: StartDaemon, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECROUTE_SHARED_CACHE", "0")
    assert asks_the_daemon(start, connect())


@pytest.mark.parametrize("name", ["MOST_BYTES", "MOST_BYTES_IN_LOOP"])
@pytest.mark.usefixtures("segment")
def test_an_image_too_large_for_a_look(
    start: StartDaemon, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(_local, "MOST_BYTES", len(IMAGE) - 1)
    monkeypatch.setattr(_local, "MOST_BYTES_IN_LOOP", len(IMAGE) - 1)
    image = IMAGE if name == "MOST_BYTES" else as_path(tmp_path)["image"]
    assert asks_the_daemon(start, connect(), image)


# ------------------------------------------------------------------ files that come, and files that are read


def test_a_file_that_comes_later_is_found(
    start: StartDaemon, connect: Connect, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_local, "OPEN_PAUSE", 0.0)
    start()
    call = connect()
    assert call("route", IMAGE).cache == DECISION.cache
    with SegmentWriter(socket_path.with_name(socket_path.name + ".cache")) as writer:
        writer.publish(KEY, KNOWN)
        assert call("route", IMAGE).cache == "local"


def test_a_file_that_is_not_there_is_looked_for_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(_local, "monotonic", lambda: now[0])
    opened: list[Path] = []

    def open_nothing(path: Path) -> None:
        opened.append(path)
        raise BadSegment("absent")

    (tmp_path / "s.cache").touch()
    monkeypatch.setattr(SharedCache, "open", open_nothing)
    local = _local.LocalCache(tmp_path / "s")
    call = PreparedCall(message=b"", read=bool, key=KEY, lookup=lambda cache, key: True)
    for now[0] in (100.0, 100.5, 100.9, 101.1, 101.2):
        assert local.answer_nowait(call) is None
    assert opened == [tmp_path / "s.cache"] * 2


def test_a_small_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"four")
    assert read_small(path, 4) == b"four"
    assert read_small(path, 4, wait=False) in (b"four", None)  # None: not in memory, as far as the file system knows
    assert read_small(path, 3) is None
    path.write_bytes(b"")
    assert read_small(path, 4) == b""


def test_a_file_in_memory_is_read_without_waiting() -> None:
    descriptor = os.memfd_create("image", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, IMAGE)
        assert read_small(f"/proc/self/fd/{descriptor}", 100, wait=False) == IMAGE
    finally:
        os.close(descriptor)
