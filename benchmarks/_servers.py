"""The daemon and a bare echo, each as a process of its own, started and stopped for a measurement."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Generous: a loaded host is slow, not broken.
PATIENCE = 60.0

ECHO = """
import sys, anyio

async def echo(stream):
    async with stream:
        try:
            while True:
                await stream.send(await stream.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return

async def main():
    listener = await anyio.create_unix_listener(sys.argv[1])
    print("ready", flush=True)
    await listener.serve(echo)

anyio.run(main, backend_options={"use_uvloop": True})
"""


class Server(NamedTuple):
    """A process that serves on a Unix socket, and how long it took to be ready, seconds."""

    process: "subprocess.Popen[bytes]"
    path: Path
    seconds_to_ready: float

    def resident_bytes(self) -> int:
        """Return the memory of the process that is resident."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def daemon(directory: Path, models: Path) -> Iterator[Server]:
    """Run the daemon; it is ready when the block begins."""
    path, notify = directory / "router", directory / "notify"
    notify.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        manager.settimeout(PATIENCE)
        command = [sys.executable, "-m", "daemon", f"--socket={path}", f"--models={models}", "--log-level=warning"]
        began = time.perf_counter()
        # Settings of the user's own would be measured instead of the defaults.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VECROUTE_")}
        process = subprocess.Popen(command, env=environment | {"NOTIFY_SOCKET": str(notify)})
        with _ended(process):
            while b"READY=1" not in manager.recv(4096):
                pass
            yield Server(process, path, time.perf_counter() - began)


@contextlib.contextmanager
def echo(directory: Path) -> Iterator[Server]:
    """Run an echo on anyio and uvloop: the least that a server on the same kind of socket costs."""
    path = directory / "echo"
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", ECHO, str(path)], stdout=subprocess.PIPE)
    with _ended(process):
        assert process.stdout is not None
        process.stdout.readline()
        yield Server(process, path, time.perf_counter() - began)


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
