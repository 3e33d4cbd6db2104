"""The socket: one daemon holds the lock beside it, a dead daemon's is replaced, a live one's is left alone."""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from daemon.errors import SocketTaken, SocketUnusable

# Clients that connect while the models load, or while a burst is accepted, wait here.
BACKLOG = 1024
# What the kernel's address structure has room for beside the closing NUL, bytes.
LONGEST_PATH = 107
_KIND = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
# What connecting to a socket gives that nobody listens on any more, or that went away meanwhile.
_DEAD = frozenset({errno.ECONNREFUSED, errno.ENOENT})
# The process that accepts may have no descriptor left, or the client gave up: neither concerns the listener.
_PASSING = frozenset({errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """A listening socket and the path it is reached by."""

    def __init__(self, sock: socket.socket, path: Path) -> None:
        self._socket = sock
        self._path = path

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept_nowait(self) -> socket.socket | None:
        """Return a client that waits, or None. Raises OSError if the host is out of descriptors or memory."""
        try:
            client, _ = self._socket.accept()
        except BlockingIOError:
            return None
        client.setblocking(False)
        return client

    def close(self) -> None:
        """Take the path away and stop listening; calling it again changes nothing."""
        if self._socket.fileno() >= 0:
            self._path.unlink(missing_ok=True)
            self._socket.close()


def is_passing(error: OSError) -> bool:
    """Tell whether accepting may work again in a moment."""
    return error.errno in _PASSING


@contextlib.contextmanager
def listening(path: Path, mode: int) -> Iterator[Listener]:
    """Listen at `path` for as long as the block runs.

    The lock file beside it stays: removing it could let two daemons each lock a file of their own.

    Raises:
        SocketTaken: a live daemon serves there.
        SocketUnusable: the path cannot be used.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise SocketUnusable(f"{path} is longer than {LONGEST_PATH} bytes; choose a shorter path with --socket")
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(mode=0o755 if mode & 0o066 else 0o700, parents=True, exist_ok=True)
            held.enter_context(_locked(path))
            listener = Listener(_bind(path, mode), path)
        except OSError as error:
            raise SocketUnusable(
                f"cannot listen on {path} ({error.strerror or error}); choose another with --socket"
            ) from error
        held.callback(listener.close)
        yield listener


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(path.name + ".lock")
    number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(number, 32, 0).decode("ascii", "replace").strip()
            raise SocketTaken(path, f"the daemon with process id {owner}" if owner else "another daemon") from None
        _refuse_alive(path)
        os.ftruncate(number, 0)
        os.pwrite(number, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(number)


def _refuse_alive(path: Path) -> None:
    """Make sure that what lies at the path is nothing or a dead socket: not every program takes our lock."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise SocketUnusable(f"{path} exists and is no socket; remove it or choose another path with --socket")
    with socket.socket(socket.AF_UNIX, _KIND) as probe:
        result = probe.connect_ex(os.fspath(path))
    if result not in _DEAD:
        raise SocketTaken(path, "another program")


def _bind(path: Path, mode: int) -> socket.socket:
    """Bind under a temporary name and rename: nobody meets the socket before its mode is right and it listens."""
    listener = socket.socket(socket.AF_UNIX, _KIND)
    unready = path.with_name(f".{os.getpid()}")
    before = os.umask(0o177)
    try:
        unready.unlink(missing_ok=True)
        listener.bind(os.fspath(unready))
        unready.chmod(mode)
        listener.listen(BACKLOG)
        unready.rename(path)
    except OSError:
        listener.close()
        unready.unlink(missing_ok=True)
        raise
    finally:
        os.umask(before)
    return listener
