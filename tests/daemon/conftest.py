"""Daemons that end with their test or module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, StartDaemon, launch, stop, wait_ready


@pytest.fixture(scope="session", autouse=True)
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let what loads exports in this process make its copies below a directory of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start daemons that end with the test."""
    daemons: list[Daemon] = []

    def start_one(*, wait: bool = True, before: str = "", **settings: object) -> Daemon:
        daemon = launch(tmp_path, tmp_path / "router", settings, before)
        daemons.append(daemon)
        if wait:
            wait_ready(daemon)
        return daemon

    yield start_one
    for daemon in daemons:
        stop(daemon)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon without exports for all tests of a module that only ask."""
    directory = tmp_path_factory.mktemp("daemon")
    daemon = launch(directory, directory / "router", {"models": directory / "none"})
    wait_ready(daemon)
    yield daemon
    stop(daemon)
