"""What can keep the daemon from serving; each error says what to do next.

What one request can get wrong is in `vecroute.errors`: those errors travel to the client.
"""

from pathlib import Path


class DaemonError(Exception):
    """Root of the daemon's errors."""


class SettingsError(DaemonError):
    """A setting is unknown or its value cannot be used."""


class SocketTaken(DaemonError):
    """Another live process serves on the socket path."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path} is served by {owner}; stop it first or choose another socket with --socket")


class SocketUnusable(DaemonError):
    """The socket cannot be created where it was asked for."""


class CacheUnusable(DaemonError):
    """The shared cache's file cannot be made or opened; the daemon can serve without it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"no shared cache at {path}: {reason}; give it fewer entries or make room, then restart")
        self.path, self.reason = path, reason


class CacheTaken(CacheUnusable):
    """Another live process writes the shared cache."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another daemon writes it")


class NoDecision(DaemonError):
    """Not even the daemon's own small image gets a decision."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no decision about an image of the daemon's own ({reason}); see request-timeout")
