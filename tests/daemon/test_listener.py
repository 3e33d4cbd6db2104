"""The socket: taken only from the dead, never seen half made."""

import os
import socket
import stat
from pathlib import Path

import pytest

from daemon.errors import SocketTaken, SocketUnusable
from daemon.listener import LONGEST_PATH, listening


def test_it_listens_with_the_mode_asked_for_and_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "new" / "router"
    before = os.umask(0o022)
    try:
        with listening(path, 0o660) as listener:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert listener.accept_nowait() is None
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                accepted = listener.accept_nowait()
                assert accepted is not None
                assert not accepted.get_inheritable()
                accepted.close()
            listener.close()
            listener.close()
            assert not path.exists()
        assert sorted(p.name for p in path.parent.iterdir()) == ["router.lock"]
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mode", "directory_mode"), [(0o600, 0o700), (0o666, 0o755)])
def test_a_directory_that_it_makes_is_as_open_as_the_socket(tmp_path: Path, mode: int, directory_mode: int) -> None:
    with listening(tmp_path / "new" / "router", mode):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == directory_mode


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "router"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(path, 0o600), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_locked_path_is_refused_with_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "router"
    with listening(path, 0o600):
        with pytest.raises(SocketTaken, match=f"process id {os.getpid()}; stop it first"), listening(path, 0o600):
            pass
        assert path.exists()


def test_a_live_program_without_our_lock_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "router"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SocketTaken, match="another program"), listening(path, 0o600):
            pass
    assert path.exists()


def test_a_live_socket_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "router"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(SocketTaken, match="another program"), listening(path, 0o600):
            pass


def test_a_file_at_the_path_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "router"
    path.write_text("precious")
    with pytest.raises(SocketUnusable, match="is no socket"), listening(path, 0o600):
        pass
    assert path.read_text() == "precious"


def test_a_path_too_long_for_the_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SocketUnusable, match="shorter path"), listening(tmp_path / ("x" * LONGEST_PATH), 0o600):
        pass


def test_a_directory_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(SocketUnusable, match="cannot listen on"), listening(Path("/proc/none/router"), 0o600):
        pass
