"""Where the socket is, for each kind of user."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vecroute import _paths, default_socket
from vecroute._paths import UnsafeDirectory

NAME = "io.github.vecroute.Router"
NOBODY_HERE = 3_999_999_999  # has no /run/user directory


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Become another user as far as `default_socket` can tell, with nothing set."""
    monkeypatch.delenv("VECROUTE_SOCKET", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return lambda user: monkeypatch.setattr(os, "geteuid", lambda: user)


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch, as_user: Callable[[int], None]) -> None:
    as_user(0)
    monkeypatch.setenv("VECROUTE_SOCKET", "/x/y")
    assert default_socket() == Path("/x/y")


def test_root(as_user: Callable[[int], None]) -> None:
    as_user(0)
    assert default_socket() == Path("/run/vecroute") / NAME


def test_a_user_with_a_runtime_directory(
    monkeypatch: pytest.MonkeyPatch, as_user: Callable[[int], None], tmp_path: Path
) -> None:
    as_user(NOBODY_HERE)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_socket() == tmp_path / "vecroute" / NAME


def test_a_runtime_directory_that_is_not_there_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, as_user: Callable[[int], None], tmp_path: Path
) -> None:
    as_user(NOBODY_HERE)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert default_socket() == Path(f"/tmp/vecroute-{NOBODY_HERE}") / NAME


def test_our_own_private_directory_is_safe(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir(mode=0o700)
    assert _paths._private(tmp_path / "v", os.geteuid()) == tmp_path / "v"


@pytest.mark.parametrize("kind", ["open", "link", "file", "foreign"])
def test_what_others_may_have_put_there_is_refused(tmp_path: Path, kind: str) -> None:
    directory = tmp_path / "v"
    if kind == "link":
        directory.symlink_to(tmp_path, target_is_directory=True)
    elif kind == "file":
        directory.touch(mode=0o600)
    else:
        directory.mkdir(mode=0o700)
        directory.chmod(0o755 if kind == "open" else 0o700)
    with pytest.raises(UnsafeDirectory, match="VECROUTE_SOCKET"):
        _paths._private(directory, os.geteuid() + (kind == "foreign"))
