"""Where the daemon's socket is when nobody says: one rule for the daemon, the clients and the command line."""

import os
import stat
from pathlib import Path
from typing import Final

from vecroute._interface import INTERFACE
from vecroute.errors import VecrouteError

ENVIRONMENT_VARIABLE: Final = "VECROUTE_SOCKET"


class UnsafeDirectory(VecrouteError):
    """The directory for the socket in /tmp belongs to somebody else or is open to others."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"{directory} is not a directory of yours with mode 0700; set {ENVIRONMENT_VARIABLE} or remove it"
        )


def default_socket() -> Path:
    """Return the socket's path: $VECROUTE_SOCKET, or /run for root, or the user's runtime directory, or /tmp.

    Nothing is created: the directory is the daemon's business.

    Raises:
        UnsafeDirectory: only /tmp is left, and what lies there is not ours alone.
    """
    if said := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(said)
    user = os.geteuid()
    if user == 0:
        return Path("/run/vecroute") / INTERFACE
    for runtime in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"):
        if runtime and Path(runtime).is_dir():
            return Path(runtime) / "vecroute" / INTERFACE
    return _private(Path(f"/tmp/vecroute-{user}"), user) / INTERFACE  # noqa: S108 - checked: ours alone, mode 0700


def cache_path(socket: Path) -> Path:
    """Return where the daemon that listens on a socket keeps the shared cache: beside it."""
    return socket.with_name(socket.name + ".cache")


def _private(directory: Path, user: int) -> Path:
    """Return a directory under /tmp if nobody else can have put it there; absent is fine."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return directory
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or stat.S_IMODE(found.st_mode) & 0o077:
        raise UnsafeDirectory(directory)
    return directory
