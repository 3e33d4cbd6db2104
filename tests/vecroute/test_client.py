"""What both clients keep to, against a real server on a real socket."""

import asyncio
import contextlib
import inspect
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import Features, RoutingDecision
from tests.vecroute.builders import DECISION, EXPORT, PLAN, STATUS
from tests.vecroute.conftest import Caller, LoopCaller, PlainCaller, StartDaemon
from tests.vecroute.fake_daemon import REPLIES, FakeDaemon, Peer, answer, answer_once, sending, silent
from vecroute import AsyncClient, Client, errors
from vecroute._calls import PreparedCall
from vecroute._interface import INTERFACE
from vecroute._varlink import encode_call, encode_error, encode_reply
from vecroute._wire import PredictRequest, ReportRequest, RouteRequest, plan_to_wire

Connect = Callable[..., Caller]
HASH = "b" * 32
REPORT = {"method": "ppo", "quality": 0.9, "seconds": 0.1, "svg_bytes": 10}
PREDICTED = {
    "hash": HASH,
    "plan": PLAN,
    "predicted_quality": 0.8,
    "predicted_seconds": 0.05,
    "export_digest": EXPORT.digest,
}
SHORT = 0.05  # seconds of timeout in tests that must run into it


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def hangs_up_after_one(daemon: FakeDaemon, peer: Peer) -> None:
    answer_once(daemon, peer)


def answer_once_then_silent(daemon: FakeDaemon, peer: Peer) -> None:
    answer_once(daemon, peer)
    silent(daemon, peer)


def reads_then_hangs_up(daemon: FakeDaemon, peer: Peer) -> None:
    """Take one call like a daemon that dies while it works on it."""
    answer_once(daemon, peer)
    if (received := peer.next_call()) is not None:
        daemon.note(*received)


def refuses(daemon: FakeDaemon, peer: Peer) -> None:
    peer.error(errors.Overloaded("1 clients are connected already"))


# ------------------------------------------------------------------ what goes out and comes back


def test_route_by_bytes_sends_them_as_a_descriptor(start: StartDaemon, connect: Connect) -> None:
    daemon = start()
    assert connect()("route", b"the image", quality_target=0.95, preferred=["ppo"]) == DECISION
    request = RouteRequest(file_descriptor=0, quality_target=0.95, preferred_methods=("ppo",))
    assert daemon.calls == [("Route", request, [b"the image"])]


@pytest.mark.parametrize("as_path", [Path, str], ids=["path", "text"])
def test_route_by_path_sends_an_open_file(
    start: StartDaemon, connect: Connect, tmp_path: Path, as_path: Callable[[Path], Path | str]
) -> None:
    daemon = start()
    (tmp_path / "a.png").write_bytes(b"on disk")
    assert connect()("route", as_path(tmp_path / "a.png")) == DECISION
    assert daemon.calls == [("Route", RouteRequest(file_descriptor=0), [b"on disk"])]


@pytest.mark.parametrize("given", [HASH, bytes.fromhex(HASH)], ids=["hex", "bytes"])
def test_route_by_hash_sends_no_image(start: StartDaemon, connect: Connect, given: str | bytes) -> None:
    daemon = start()
    assert connect()("route", hash=given, time_budget=1, svg_budget=10, policy="weighted", avoided=("ppo",)) == DECISION
    request = RouteRequest(hash=HASH, time_budget=1.0, svg_budget=10, policy="weighted", avoided_methods=("ppo",))
    assert daemon.calls == [("Route", request, [])]


@pytest.mark.parametrize("given", [Features(entropy=2.0), {"entropy": 2}], ids=["features", "mapping"])
def test_route_by_features(start: StartDaemon, connect: Connect, given: Features | dict[str, float]) -> None:
    daemon = start()
    assert connect()("route", features=given) == DECISION
    assert daemon.calls == [("Route", RouteRequest(features={"entropy": 2.0}), [])]


def test_predict(start: StartDaemon, connect: Connect) -> None:
    daemon = start()
    assert connect()("predict", b"x", method="ppo", plan=PLAN) == REPLIES["Predict"]
    request = PredictRequest(method="ppo", plan=plan_to_wire(PLAN), file_descriptor=0)
    assert daemon.calls == [("Predict", request, [b"x"])]


def test_report(start: StartDaemon, connect: Connect) -> None:
    daemon = start()
    assert connect()("report", **REPORT, **PREDICTED) is None
    request = ReportRequest(
        method="ppo",
        quality=0.9,
        seconds=0.1,
        svg_bytes=10,
        hash=HASH,
        plan=plan_to_wire(PLAN),
        predicted_quality=0.8,
        predicted_seconds=0.05,
        export_digest=EXPORT.digest,
    )
    assert daemon.calls == [("Report", request, [])]


def test_status_and_reload(start: StartDaemon, connect: Connect) -> None:
    start()
    call = connect()
    assert call("status") == STATUS
    assert call("reload") == EXPORT


def test_flush_cache(start: StartDaemon, connect: Connect) -> None:
    daemon = start()
    assert connect()("flush_cache") == 3
    assert [name for name, _, _ in daemon.calls] == ["FlushCache"]


def test_calls_share_one_connection(start: StartDaemon, connect: Connect) -> None:
    daemon = start()
    call = connect()
    for _ in range(3):
        call("status")
    assert daemon.connections == 1


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.InvalidImage("not an image; give PNG"), id="image"),
        pytest.param(errors.ImageTooLarge("too many pixels; scale down", 5, 4, "pixels"), id="too large"),
        pytest.param(errors.InvalidValue("qualityTarget", "2 is too much; give 1"), id="value"),
        pytest.param(errors.UnknownImage(HASH), id="unknown image"),
        pytest.param(errors.Overloaded(), id="overloaded"),
        pytest.param(errors.MessageTooLarge(2), id="message"),
        pytest.param(errors.ReloadFailed("bad export; look at it"), id="reload"),
        pytest.param(errors.ShuttingDown(), id="shutting down"),
        pytest.param(errors.InvalidParameter("plan.mode"), id="parameter"),
        pytest.param(errors.MethodNotFound("a.b.C"), id="method"),
        pytest.param(errors.MethodNotImplemented("a.b.C"), id="not implemented"),
        pytest.param(errors.InterfaceNotFound("a.b"), id="interface"),
        pytest.param(errors.PermissionDenied(), id="permission"),
        pytest.param(errors.ExpectedMore(), id="more"),
    ],
)
def test_the_daemons_error_is_raised_again_with_everything_it_said(
    start: StartDaemon, connect: Connect, error: errors.RequestError
) -> None:
    start(sending(encode_error(error)))
    with pytest.raises(type(error)) as caught:
        connect()("status")
    assert type(caught.value) is type(error)
    assert caught.value.wire_parameters() == error.wire_parameters()
    assert str(caught.value) == str(error)
    assert len(str(caught.value).splitlines()) == 1


def test_an_error_leaves_the_connection_in_use(start: StartDaemon, connect: Connect) -> None:
    def complains_first(daemon: FakeDaemon, peer: Peer) -> None:
        if peer.next_call() is not None:
            peer.error(errors.UnknownImage(HASH))
            answer(daemon, peer)

    daemon = start(complains_first)
    call = connect()
    with pytest.raises(errors.UnknownImage):
        call("route", hash=HASH)
    assert call("route", b"then all of it") == DECISION
    assert daemon.connections == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"{]\0", errors.ProtocolError, id="no JSON"),
        pytest.param(b"[" * 100_000 + b"\0", errors.ProtocolError, id="deep"),
        pytest.param(b'{"parameters":{"status":{}}}\0', errors.ProtocolError, id="fields missing"),
        pytest.param(b'{"parameters":{"status":"\xff"}}\0', errors.ProtocolError, id="no UTF-8"),
        pytest.param(encode_reply(), errors.ProtocolError, id="nothing"),
        pytest.param(b'{"error":"a.B","parameters":"\xff"}\0', errors.UnknownDaemonError, id="unknown, no UTF-8"),
        pytest.param(b'{"error":"com.example.Odd","parameters":{"a":1}}\0', errors.UnknownDaemonError, id="unknown"),
        pytest.param(
            f'{{"error":"{INTERFACE}.InvalidImage","parameters":{{"message":1}}}}\0'.encode(),
            errors.ProtocolError,
            id="error with wrong types",
        ),
    ],
)
def test_what_is_no_proper_reply_is_a_typed_error(
    start: StartDaemon, connect: Connect, data: bytes, error: type[errors.VecrouteError]
) -> None:
    start(sending(data))
    with pytest.raises(error) as caught:
        connect()("status")
    assert len(str(caught.value).splitlines()) == 1


def test_a_plan_outside_its_bounds_is_no_proper_reply(start: StartDaemon, connect: Connect) -> None:
    data = encode_reply(REPLIES["Route"]).replace(b'"upscale":2', b'"upscale":99')
    start(sending(data))
    with pytest.raises(errors.ProtocolError, match="upscale"):
        connect()("route", hash=HASH)


@pytest.mark.parametrize("plan", [b"null", b"[]", b'{"mode":"\xff"}', b'{"newParameter":1}'])
def test_a_plan_that_is_none_is_no_proper_reply(start: StartDaemon, connect: Connect, plan: bytes) -> None:
    whole = encode_reply(REPLIES["Route"])
    start(sending(whole.replace(msgspec.json.encode(plan_to_wire(PLAN)), plan)))
    with pytest.raises(errors.ProtocolError):
        connect()("route", hash=HASH)


def test_a_reply_over_the_limit_is_refused(start: StartDaemon, connect: Connect) -> None:
    start(sending(b"x" * (2 * 2**20 + 1) + b"\0"))
    with pytest.raises(errors.ProtocolError, match="2097152 bytes"):
        connect()("status")


@pytest.mark.parametrize(
    ("kwargs", "parameter"),
    [
        pytest.param({"quality_target": float("nan")}, "qualityTarget", id="NaN"),
        pytest.param({"quality_target": 1.5}, "qualityTarget", id="target"),
        pytest.param({"time_budget": 0}, "timeBudget", id="no time"),
        pytest.param({"time_budget": float("inf")}, "timeBudget", id="endless"),
        pytest.param({"svg_budget": -1}, "svgBudget", id="bytes"),
        pytest.param({"preferred": ["magic"]}, "preferredMethods", id="method"),
        pytest.param({"avoided": ["ppo"], "preferred": ["ppo"]}, "preferredMethods", id="both"),
        pytest.param({"policy": "fair"}, "policy", id="policy"),
        pytest.param({"image": b"x"}, "hash", id="two images"),
        pytest.param({"hash": "xyz"}, "hash", id="hash"),
        pytest.param({"hash": None}, "content", id="no image"),
        pytest.param({"hash": None, "features": {}}, "features", id="no feature"),
        pytest.param({"hash": None, "features": {"entropy": float("inf")}}, "features", id="infinite feature"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_sent(
    connect: Connect, kwargs: dict[str, object], parameter: str
) -> None:
    with pytest.raises(errors.InvalidValue) as caught:
        connect()("route", **{"hash": HASH, **kwargs})
    assert caught.value.parameter == parameter


def test_a_missing_file_is_an_invalid_image(start: StartDaemon, connect: Connect, tmp_path: Path) -> None:
    start()
    with pytest.raises(errors.InvalidImage, match=r"missing\.png"):
        connect()("route", tmp_path / "missing.png")


# ------------------------------------------------------------------ daemons that are not well


def test_without_a_daemon_the_error_says_how_to_start_one(connect: Connect, socket_path: Path) -> None:
    with pytest.raises(errors.DaemonUnavailable, match="vecroute serve") as caught:
        connect()("status")
    assert str(socket_path) in str(caught.value)


def test_a_dead_socket_is_no_daemon(connect: Connect, start: StartDaemon) -> None:
    start().close()
    with pytest.raises(errors.DaemonUnavailable, match="refused"):
        connect()("status")


def test_a_path_too_long_for_a_socket_is_no_daemon() -> None:
    with Client("/tmp/" + "x" * 200) as client, pytest.raises(errors.DaemonUnavailable, match="too long"):
        client.status()


@pytest.mark.parametrize("method", ["status", "report"])
def test_an_idle_connection_that_died_is_replaced_once(start: StartDaemon, connect: Connect, method: str) -> None:
    daemon = start(hangs_up_after_one, answer)
    call = connect()
    call("status")
    daemon.wait_hung_up()
    call(method, **(REPORT if method == "report" else {}))
    assert daemon.connections == 2
    assert len(daemon.calls) == 2


def test_only_once(start: StartDaemon, connect: Connect) -> None:
    def hangs_up(daemon: FakeDaemon, peer: Peer) -> None:
        peer.next_call()

    daemon = start(hangs_up_after_one, hangs_up)
    call = connect()
    call("status")
    daemon.wait_hung_up()
    with pytest.raises(errors.DaemonUnavailable, match="went away"):
        call("status")
    assert daemon.connections == 2


def test_a_call_that_may_have_been_done_is_repeated_only_if_that_does_no_harm(
    start: StartDaemon, connect: Connect
) -> None:
    daemon = start(reads_then_hangs_up, reads_then_hangs_up, answer)
    call = connect()
    call("status")
    assert call("route", hash=HASH) == DECISION  # dies with the first connection, answered on the second
    with pytest.raises(errors.DaemonUnavailable):
        call("report", **REPORT)
    assert [name for name, _, _ in daemon.calls] == ["Status", "Route", "Route", "Report"]


def test_a_daemon_that_dies_in_the_middle_of_a_reply(start: StartDaemon, connect: Connect) -> None:
    def dies(daemon: FakeDaemon, peer: Peer) -> None:
        answer_once(daemon, peer)
        peer.next_call()
        peer.sock.sendall(b'{"parameters":{"sta')

    daemon = start(dies)
    call = connect()
    call("status")
    with pytest.raises(errors.DaemonUnavailable, match="went away"):
        call("status")
    assert daemon.connections == 1


def test_a_daemon_that_is_full_says_so_before_it_hangs_up(start: StartDaemon, connect: Connect) -> None:
    start(refuses)
    with pytest.raises(errors.Overloaded, match="connected already"):
        connect()("status")


def test_a_daemon_that_does_not_answer_in_time(start: StartDaemon, connect: Connect) -> None:
    start(silent)
    call = connect(timeout=SHORT)
    with pytest.raises(errors.TimeoutExceeded, match=r"0\.05 s"):
        call("status")


def test_after_a_timeout_the_late_reply_is_not_taken_for_the_next(start: StartDaemon, connect: Connect) -> None:
    daemon = start(silent, answer)
    call = connect(timeout=SHORT)
    with pytest.raises(TimeoutError):
        call("reload")
    call.client._timeout = None
    assert call("route", hash=HASH) == DECISION
    assert daemon.connections == 2


def test_a_daemon_that_never_reads(start: StartDaemon, connect: Connect) -> None:
    start(silent)
    big = PreparedCall(message=encode_call("a.B", {"a": "x" * 2**20}), read=bool)
    with pytest.raises(errors.TimeoutExceeded):
        connect(timeout=SHORT)("_run", big)


def test_a_message_that_does_not_fit_at_once_arrives_whole_with_its_descriptor(
    start: StartDaemon, connect: Connect
) -> None:
    got: list[tuple[int, list[bytes]]] = []

    def measures(daemon: FakeDaemon, peer: Peer) -> None:
        if (received := peer.next_call()) is not None:
            got.append((len(bytes(received[0].parameters)), received[1]))
            peer.reply(None)

    start(measures)
    parameters = {"a": "x" * 2**20}
    connect()("_run", PreparedCall(message=encode_call("a.B", parameters), read=bool, image=b"image"))
    assert got == [(len(msgspec.json.encode(parameters)), [b"image"])]


def test_a_reply_in_single_bytes(start: StartDaemon, connect: Connect) -> None:
    def dribbles(daemon: FakeDaemon, peer: Peer) -> None:
        peer.next_call()
        for byte in encode_reply(REPLIES["Status"]):
            peer.sock.send(bytes([byte]))

    start(dribbles)
    assert connect()("status") == STATUS


# ------------------------------------------------------------------ life


def test_no_descriptor_stays_open(start: StartDaemon, socket_path: Path) -> None:
    before = open_descriptors()
    with Client(socket_path) as client:
        with pytest.raises(errors.DaemonUnavailable):
            client.route(b"x")
        daemon = start(answer_once_then_silent)
        client.route(b"x")
        client._timeout = SHORT
        with pytest.raises(errors.TimeoutExceeded):
            client.route(b"x")
    daemon.close()
    assert open_descriptors() == before


def test_a_closed_client_refuses_calls(start: StartDaemon, connect: Connect) -> None:
    daemon = start()
    call = connect()
    call("status")
    call("close")
    daemon.wait_hung_up()
    with pytest.raises(errors.ClientClosed):
        call("status")


def test_threads_share_a_client(start: StartDaemon, socket_path: Path) -> None:
    """Three calls are under way at once: none is answered before all have arrived."""
    together = threading.Barrier(3)

    def answers_when_all_are_here(daemon: FakeDaemon, peer: Peer) -> None:
        if (received := peer.next_call()) is not None:
            together.wait(10)
            daemon.note(*received)
            peer.reply(REPLIES["Route"])

    daemon = start(answers_when_all_are_here)
    decisions: list[RoutingDecision] = []
    with Client(socket_path) as client:
        threads = [threading.Thread(target=lambda: decisions.append(client.route(hash=HASH))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert decisions == [DECISION] * 3
    assert daemon.connections == 3


def test_tasks_share_a_client_up_to_its_connections(start: StartDaemon, socket_path: Path) -> None:
    daemon = start()

    async def many() -> list[RoutingDecision]:
        async with AsyncClient(socket_path, connections=2) as client:
            return await asyncio.gather(*(client.route(hash=HASH) for _ in range(8)))

    assert asyncio.run(many()) == [DECISION] * 8
    assert 1 <= daemon.connections <= 2


def test_a_cancelled_call_takes_its_connection_along(start: StartDaemon, socket_path: Path) -> None:
    daemon = start(silent, answer)

    async def cancel_then_call() -> RoutingDecision:
        async with AsyncClient(socket_path) as client:
            task = asyncio.create_task(client.route(hash=HASH))
            await asyncio.to_thread(daemon.wait_connected)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await client.route(hash=HASH)

    assert asyncio.run(cancel_then_call()) == DECISION
    assert daemon.connections == 2


def test_a_forked_child_connects_anew(start: StartDaemon, socket_path: Path) -> None:
    daemon = start()
    with Client(socket_path) as client:
        client.status()
        pool = client._pool
        assert len(pool._idle) == 1
        pool._process += 1  # what a child sees: connections made by another process
        client.status()
        assert len(pool._idle) == 1
    assert daemon.connections == 2


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_methods_show_what_they_take(kind: Any) -> None:
    assert str(inspect.signature(kind.route)).startswith("(self, /, image: ")
    assert "quality_target" in inspect.signature(kind.route).parameters
    assert kind.status.__name__ == "status"
    assert "TimeoutExceeded" in kind.reload.__doc__


def test_a_client_shows_where_it_is_connected(socket_path: Path) -> None:
    assert repr(Client(socket_path)) == f"<Client <Pool {socket_path}, 0 idle>>"
    closed = Client(socket_path)
    closed.close()
    assert repr(closed) == f"<Client <Pool {socket_path}, closed>>"
    assert repr(AsyncClient(socket_path)) == f"<AsyncClient <Pool {socket_path}, 0 idle>>"


def test_a_full_backlog_is_waited_out(socket_path: Path) -> None:
    """Connecting is refused while the backlog is full; the client goes on trying until its time is over."""
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as others:
        listener.bind(str(socket_path))
        listener.listen(0)
        for _ in range(2):
            other = others.enter_context(socket.socket(socket.AF_UNIX))
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                other.connect(str(socket_path))
        for kind in (PlainCaller, LoopCaller):
            caller = kind(socket_path, SHORT)
            with pytest.raises(errors.TimeoutExceeded):
                caller("status")
            caller.end()
