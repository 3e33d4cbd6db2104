"""A daemon of the demonstration's own: a child on a private socket, ready when the block begins, gone when it ends."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vecroute.cli.errors import CommandError

# Seconds. A cold start takes about one; a busy host may take many, and then it is better to say so than to wait.
READY_TIMEOUT = 40.0
STOP_TIMEOUT = 15.0


@contextmanager
def private_daemon(models: Path | None = None) -> Iterator[Path]:
    """Start a daemon, wait until it is ready, and give its socket.

    Raises:
        CommandError: it ended or did not become ready; the message holds the last line of its log.
    """
    with tempfile.TemporaryDirectory(prefix="vecroute-demo-") as name:
        directory = Path(name)
        path, log = directory / "router", directory / "log"
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with notices, log.open("wb") as output:
            try:
                notices.bind(os.fspath(directory / "notify"))
            except OSError as exc:  # the kernel takes 107 bytes
                raise CommandError(f"{directory} cannot hold a socket ({exc}); set TMPDIR to a shorter path") from exc
            environment = {key: value for key, value in os.environ.items() if not key.startswith("VECROUTE_")}
            environment["NOTIFY_SOCKET"] = os.fspath(directory / "notify")
            flags = [f"--socket={path}"] + ([] if models is None else [f"--models={models}"])
            command = [sys.executable, "-m", "vecroute.cli", "serve", *flags]
            # A process group of its own: Ctrl-C is for us, and we end the daemon in order.
            child = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, process_group=0
            )
            try:
                _wait_ready(child, notices, log)
                yield path
            finally:
                _stop(child)


def _wait_ready(child: "subprocess.Popen[bytes]", notices: socket.socket, log: Path) -> None:
    notices.settimeout(0.2)  # so that a child that ended without a word is noticed
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise CommandError(f"the daemon ended with code {child.returncode}: {_last_line(log)}")
        try:
            if b"READY=1" in notices.recv(65536):
                return
        except TimeoutError:
            continue
    raise CommandError(f"the daemon was not ready after {READY_TIMEOUT:g} s: {_last_line(log)}")


def _stop(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="backslashreplace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")
