"""Daemons as real processes over real sockets, and clients that may send anything."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

from vecroute import Client, Status
from vecroute._interface import INTERFACE
from vecroute._varlink import ClientCodec, Reply, encode_call

# Generous: a loaded machine is no failure. Nothing waits that long when all is well.
PATIENCE = 20.0


class Daemon:
    """A running `python -m daemon`, known to be ready."""

    def __init__(self, process: "subprocess.Popen[bytes]", path: Path, notices: socket.socket, log: Path) -> None:
        self.process = process
        self.path = path
        self.log = log
        self.notices = notices

    def client(self, *, shared_cache: bool = False) -> Client:
        """Return a client; it asks the daemon even for what it could read in the shared cache, unless told so."""
        return Client(self.path, timeout=PATIENCE, shared_cache=shared_cache)

    def status(self) -> Status:
        with self.client() as client:
            return client.status()

    def connect(self) -> "Raw":
        return Raw(self.path)

    def wait_notice(self, text: str) -> str:
        """Return the next notification that holds the text."""
        while True:
            notice = self.notices.recv(65536).decode()
            if text in notice:
                return notice

    def forget_notices(self) -> None:
        """Drop the notifications that have come so far."""
        self.notices.setblocking(False)
        try:
            while self.notices.recv(65536):
                pass
        except BlockingIOError:
            self.notices.settimeout(PATIENCE)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


class Raw:
    """A client that may send anything."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._codec = ClientCodec()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes, *descriptors: int) -> None:
        if descriptors:
            sent = socket.send_fds(self.socket, [data], list(descriptors))
            data = data[sent:]
        self.socket.sendall(data)

    def call(self, method: str, parameters: object = None, *descriptors: int) -> Reply:
        """Call a method of ours and return its reply."""
        self.send(encode_call(f"{INTERFACE}.{method}", parameters), *descriptors)
        return self.reply()

    def reply(self) -> Reply:
        while (reply := self._codec.next_reply()) is None:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("the daemon closed the connection")
            self._codec.receive_data(data)
        return reply

    def is_closed(self) -> bool:
        """Wait for the daemon to close the connection; bytes that come first do not matter."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            return True
        return True


StartDaemon = Callable[..., Daemon]


async def wait_until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - threads and processes set no events of ours
            await anyio.sleep(0.001)


def launch(directory: Path, path: Path, settings: Mapping[str, object], before: str = "") -> Daemon:
    """Start a daemon; `settings` are its flags with underscores, `before` is code to run in it first."""
    number = len(list(directory.glob("log-*")))
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(directory / f"notify-{number}"))
    notices.settimeout(PATIENCE)
    log = directory / f"log-{number}"
    # Ten seconds for a prediction: with the 0.05 s of service a host in a slow phase answers by base routing.
    given: dict[str, object] = {"socket": path, "watch_step": 0.05, "high_load": 1.0, "log_level": "debug"}
    given |= {"prediction_deadline": 10, **settings}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    # The directory of copies is the test's own, so that nothing outside of it changes.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VECROUTE_")}
    environment |= {"NOTIFY_SOCKET": str(directory / f"notify-{number}"), "XDG_CACHE_HOME": str(directory / "cache")}
    with log.open("wb") as stderr:
        program = ["-c", f"{before}\nimport sys, daemon.__main__\nsys.exit(daemon.__main__.main())"]
        process = subprocess.Popen(
            [sys.executable, *(program if before else ["-m", "daemon"]), *flags], env=environment, stderr=stderr
        )
    return Daemon(process, path, notices, log)


def stop(daemon: Daemon) -> None:
    """End a daemon, by force if it must be."""
    daemon.notices.close()
    if daemon.process.poll() is None:
        daemon.process.send_signal(signal.SIGTERM)
        try:
            daemon.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.process.kill()
            daemon.process.wait()


def wait_ready(daemon: Daemon) -> None:
    """Return once the daemon has told that it is ready."""
    try:
        daemon.wait_notice("READY=1")
    except TimeoutError:
        raise AssertionError(f"not ready; its log says:\n{daemon.log.read_text()}") from None
