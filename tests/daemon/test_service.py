"""The daemon's life, as a real process: start, one at a time, drain, death and the way out past a stuck thread."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from daemon.service import EXIT_FAILED, EXIT_SETTINGS, EXIT_TAKEN, EXIT_UNFINISHED
from tests.daemon.harness import PATIENCE, Daemon, Raw, StartDaemon, launch, stop, wait_ready
from tests.daemon.pictures import noise, png
from tests.exports import slow_predictor, write_export
from vecroute import image_hash
from vecroute._interface import INTERFACE
from vecroute._varlink import encode_call


def _slow(directory: Path) -> Path:
    """Write an export whose predictor takes some tenths of a second."""
    return write_export(
        directory, forest=False, regressor=False, golden=False, files={"quality_predictor.onnx": slow_predictor(6)}
    )


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon with a slow predictor, one thread and room for two more requests."""
    directory = tmp_path_factory.mktemp("slow")
    settings = {"prediction_deadline": 30, "inference_threads": 1, "queue_limit": 2}
    daemon = launch(directory, directory / "router", {"models": _slow(directory / "models"), **settings})
    wait_ready(daemon)
    yield daemon
    stop(daemon)


def _send_for_ever(client: Raw, data: bytes) -> None:
    while True:
        client.socket.sendall(data)


def _wait_inflight(daemon: Daemon, count: int) -> None:
    """Return once so many calls are under way, beside the one that asks."""
    deadline = time.monotonic() + PATIENCE
    with daemon.client() as client:
        while client.status().inflight != count + 1:
            assert time.monotonic() < deadline


def test_it_is_ready_only_when_it_answers(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "none", wait=False)
    assert "loading models" in daemon.wait_notice("STATUS=")
    notice = daemon.wait_notice("READY=1")
    assert "STATUS=builtin 1 on lane base" in notice
    status = daemon.status()
    assert (status.ready, status.pid, status.draining) == (True, daemon.process.pid, False)
    assert daemon.path.stat().st_mode & 0o777 == 0o600


def test_sigterm_ends_an_idle_daemon_and_its_socket(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "none")
    with daemon.connect() as idle:
        assert idle.call("Status").error is None
        assert daemon.terminate() == 0
        assert idle.is_closed()
    assert not daemon.path.exists()
    assert "STOPPING=1" in daemon.wait_notice("STOPPING=1")


def test_sigterm_lets_a_request_in_flight_be_answered(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=_slow(tmp_path / "models"), prediction_deadline=30)
    with daemon.connect() as busy, daemon.connect() as half:
        busy.send(encode_call(f"{INTERFACE}.Route", {"content": png()}))
        _wait_inflight(daemon, 1)
        half.send(b'{"method": ')  # it will never be whole
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_notice("STOPPING=1")
        assert not daemon.path.exists()
        reply = busy.reply()
        assert msgspec.json.decode(reply.parameters)["decision"]["lane"] == "onnx"
        assert daemon.process.wait(PATIENCE) == 0


def test_a_request_that_outlasts_the_drain_is_told_so(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=_slow(tmp_path / "models"), prediction_deadline=30, drain_seconds=0.05)
    with daemon.connect() as busy:
        busy.send(encode_call(f"{INTERFACE}.Route", {"content": png()}))
        _wait_inflight(daemon, 1)
        daemon.process.send_signal(signal.SIGTERM)
        assert busy.reply().error == f"{INTERFACE}.ShuttingDown"
        assert daemon.process.wait(PATIENCE) == EXIT_UNFINISHED


def test_a_call_without_reply_gets_none_when_the_drain_is_over_either(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=_slow(tmp_path / "models"), prediction_deadline=30, drain_seconds=0.05)
    with daemon.connect() as busy:
        busy.send(encode_call(f"{INTERFACE}.Route", {"content": png()}, oneway=True))
        _wait_inflight(daemon, 1)
        assert daemon.terminate() == EXIT_UNFINISHED
        assert busy.socket.recv(1) == b""


def test_sigterm_while_the_models_load_ends_it_too(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=_slow(tmp_path / "models"), wait=False)
    daemon.wait_notice("loading models")
    assert daemon.terminate() == 0
    assert not daemon.path.exists()


def test_a_second_daemon_on_the_same_path_is_refused(start: StartDaemon, tmp_path: Path) -> None:
    first = start(models=tmp_path / "none")
    second = start(models=tmp_path / "none", wait=False)
    assert second.process.wait(PATIENCE) == EXIT_TAKEN
    assert f"is served by the daemon with process id {first.process.pid}; stop it first" in second.log.read_text()
    assert first.status().ready


def test_a_killed_daemon_is_replaced_on_the_same_path_and_its_client_goes_on(
    start: StartDaemon, tmp_path: Path
) -> None:
    first = start(models=tmp_path / "none")
    with first.client() as client:
        assert client.status().pid == first.process.pid
        first.process.kill()
        first.process.wait(PATIENCE)
        assert first.path.exists()
        second = start(models=tmp_path / "none")
        assert client.status().pid == second.process.pid


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--cache-entries=none"], EXIT_SETTINGS, "cache-entries on the command line"),
        (["--config=/nowhere.toml"], EXIT_SETTINGS, "cannot read /nowhere.toml"),
        (["--socket=/proc/nowhere/router"], EXIT_FAILED, "cannot listen on /proc/nowhere/router"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line_and_a_code(flags: list[str], code: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-m", "daemon", *flags], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_decision_about_its_own_image_it_does_not_serve(start: StartDaemon, tmp_path: Path) -> None:
    """The thread is in native code, where Python cannot end it, when the daemon leaves."""
    sleep = "import ctypes, daemon.service\ndaemon.service.sample = lambda *_: ctypes.CDLL(None).sleep(3600)"
    daemon = start(models=tmp_path / "none", request_timeout=0.3, wait=False, before=sleep)
    assert daemon.process.wait(PATIENCE) == EXIT_FAILED
    assert not daemon.path.exists()
    *_, reason, last = daemon.log.read_text().splitlines()
    assert "cannot serve" in reason
    assert "see request-timeout" in reason
    assert "leaving a thread behind" in last


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon that soon loses patience with its clients."""
    directory = tmp_path_factory.mktemp("strict")
    settings = {"message_timeout": 0.1, "write_timeout": 0.1, "max_connections": 2}
    daemon = launch(directory, directory / "router", {"models": directory / "none", **settings})
    wait_ready(daemon)
    yield daemon
    stop(daemon)


def test_a_client_that_stops_in_the_middle_of_a_message_is_dropped(strict: Daemon) -> None:
    with strict.connect() as stuck, strict.connect() as other:
        stuck.send(b'{"method": "io.git')
        assert stuck.is_closed()
        assert other.call("Status").error is None  # idle for as long, but not inside a message


def test_a_client_that_never_reads_is_dropped(strict: Daemon) -> None:
    call = encode_call("org.varlink.service.GetInterfaceDescription", {"interface": INTERFACE})
    with strict.connect() as deaf, strict.connect() as other:
        with pytest.raises(ConnectionError):
            _send_for_ever(deaf, call * 100)  # until the daemon stops reading, and then gives up
        assert other.call("Status").error is None


def test_more_clients_than_allowed_are_told_so(strict: Daemon) -> None:
    with strict.connect() as one, strict.connect() as two:
        assert (one.call("Status").error, two.call("Status").error) == (None, None)
        with strict.connect() as three:
            assert three.reply().error == f"{INTERFACE}.Overloaded"
            assert three.is_closed()
        assert one.call("Status").error is None


def test_more_clients_than_allowed_that_do_not_wait_for_the_answer_harm_nobody(strict: Daemon) -> None:
    with strict.connect() as one, strict.connect() as two:
        assert (one.call("Status").error, two.call("Status").error) == (None, None)
        strict.process.send_signal(signal.SIGSTOP)  # so that they are gone before they are accepted
        for _ in range(3):
            strict.connect().socket.close()
        strict.process.send_signal(signal.SIGCONT)
        assert one.call("Status").error is None
        assert two.call("Status").error is None


def test_a_daemon_that_can_open_no_more_files_says_so_and_recovers(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "none", watch="false")
    with daemon.connect() as raw, tempfile.TemporaryFile() as image:
        image.write(png())
        image.flush()
        assert raw.call("Status").error is None
        limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        used = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used, limits[1]))
        with daemon.connect() as waiting:  # it cannot be accepted yet
            assert raw.call("Route", {"fileDescriptor": 0}, image.fileno()).error == f"{INTERFACE}.Overloaded"
            assert raw.call("Route", {"content": png()}).error is None
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
            assert waiting.call("Status").error is None
        assert raw.call("Route", {"fileDescriptor": 0}, image.fileno()).error is None


def test_more_requests_than_the_queue_holds_are_refused(slow: Daemon) -> None:
    clients = [slow.connect() for _ in range(5)]
    for number, raw in enumerate(clients):
        raw.send(encode_call(f"{INTERFACE}.Route", {"content": png((8, 8 + number))}))
    errors = [raw.reply().error for raw in clients]
    assert errors == [None] * 3 + [f"{INTERFACE}.Overloaded"] * 2
    for raw in clients:
        raw.socket.close()


def test_what_is_cached_needs_no_thread(slow: Daemon) -> None:
    data = png((11, 9))
    with slow.connect() as busy, slow.client() as client:
        decision = client.route(data)
        busy.send(encode_call(f"{INTERFACE}.Route", {"content": png((12, 9))}))
        _wait_inflight(slow, 1)
        assert client.route(data).cache == client.route(hash=image_hash(data).hex()).cache == "hit"
        client.predict(data, method=decision.primary_method, plan=decision.plan)
        assert client.status().inflight == 2  # the only thread is still taken
        assert busy.reply().error is None


def test_a_client_that_goes_away_frees_its_place(slow: Daemon) -> None:
    """Unless each run is really stopped, a later client finds the queue full."""
    for number in range(5):
        with slow.connect() as raw:
            raw.send(encode_call(f"{INTERFACE}.Route", {"content": png((20, 8 + number))}))
            _wait_inflight(slow, 1)
        _wait_inflight(slow, 0)
    with slow.connect() as last:
        assert last.call("Route", {"content": png((9, 9))}).error is None


def test_one_image_asked_for_twice_survives_the_first_client(slow: Daemon) -> None:
    before = slow.status().cache
    call = encode_call(f"{INTERFACE}.Route", {"content": png((50, 50))})
    with slow.connect() as second:
        with slow.connect() as first:
            first.send(call)
            _wait_inflight(slow, 1)
            second.send(call)
            _wait_inflight(slow, 2)
        reply = second.reply()
    assert msgspec.json.decode(reply.parameters)["decision"]["lane"] == "onnx"
    after = slow.status().cache
    assert (after.entries - before.entries, after.misses - before.misses) == (1, 2)


def test_a_stuck_thread_does_not_keep_the_process(start: StartDaemon, tmp_path: Path) -> None:
    """A read that never returns stands for a file system that hangs."""
    hang = "import threading, daemon.images\ndaemon.images.read = lambda *_: threading.Event().wait()"
    daemon = start(models=tmp_path / "none", drain_seconds=0.1, before=hang)
    with daemon.connect() as raw:
        raw.send(encode_call(f"{INTERFACE}.Route", {"content": noise(600)}))
        assert raw.reply().error is None  # content needs no reading
        with (tmp_path / "large.png").open("wb+") as file:
            file.write(noise(600) + b"another image")
            file.flush()
            raw.send(encode_call(f"{INTERFACE}.Route", {"fileDescriptor": 0}), file.fileno())
        _wait_inflight(daemon, 1)
        assert daemon.terminate() == EXIT_UNFINISHED
        assert raw.reply().error == f"{INTERFACE}.ShuttingDown"
    assert "leaving a thread behind" in daemon.log.read_text()


def test_a_large_image_is_read_in_a_thread(shared: Daemon) -> None:
    data = noise(700)
    assert len(data) > 256 * 1024
    with shared.client() as client:
        assert client.route(data).cache == "miss"
        assert client.route(data).cache == "hit"


def test_a_failure_of_our_own_is_told_and_logged_and_the_daemon_goes_on(start: StartDaemon, tmp_path: Path) -> None:
    fail = "import daemon.routing\ndaemon.routing.sample = lambda *_, **__: 1 / 0"
    daemon = start(models=tmp_path / "none", before=f"{fail}")
    with daemon.connect() as raw:
        assert raw.call("Route", {"content": png()}).error == f"{INTERFACE}.InternalError"
        assert raw.call("Status").error is None
    assert "ZeroDivisionError" in daemon.log.read_text()


def test_logs_are_json_lines_without_the_image(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "none", log_format="json")
    with daemon.connect() as raw:
        assert raw.call("Route", {"content": b"SECRET-PIXELS"}).error == f"{INTERFACE}.InvalidImage"
    assert daemon.terminate() == 0
    events = [msgspec.json.decode(line) for line in daemon.log.read_bytes().splitlines()]
    assert [event["event"] for event in events][-1] == "stopped"
    assert {"request refused", "ready", "draining"} <= {event["event"] for event in events}
    assert b"SECRET" not in daemon.log.read_bytes()


def test_the_runtime_reports_nothing_to_its_vendor() -> None:
    code = "import daemon, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "1"


def test_starting_loads_nothing_that_draws_and_leaves_it_to_others() -> None:
    code = "import sys, daemon; print(*{'rich', 'matplotlib', 'torch'} & {*sys.modules}); import rich.progress"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
