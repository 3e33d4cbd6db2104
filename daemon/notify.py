"""Notifications tell the service manager how the daemon is, over the datagram socket named by `NOTIFY_SOCKET`."""

import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends state lines; without a service manager, or with one that went away, each call does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading "@" stands for the NUL byte of Linux's abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self, status: str) -> None:
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        self._send(_status(status))

    def reloading(self) -> None:
        """Tell that a reload begins; the clock lets the manager match it to the signal that it sent."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Tell that it ends. That is the last word: a reload still under way has nothing more to say."""
        self._send("STOPPING=1", _status("draining"))
        self._address = ""

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto("\n".join(lines).encode(errors="backslashreplace"), self._address)
            except OSError:
                # The manager's socket may be gone or full; the service must not suffer for it.
                return


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())
