"""Small images, an export that predicts, and a daemon that serves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, launch, stop, wait_ready
from tests.daemon.pictures import noise, png
from tests.exports import write_export


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with one export whose predictor is known."""
    directory = tmp_path_factory.mktemp("models")
    write_export(directory / "one")
    return directory


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see a daemon, an export or a cache of the host's."""
    monkeypatch.setenv("VECROUTE_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("models._hybrid.DEFAULT_MODELS", models)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Daemon]:
    """One daemon for all tests of a module."""
    directory = tmp_path_factory.mktemp("daemon")
    # A late prediction would become base routing; on a busy host that is no failure of the command line's.
    running = launch(directory, directory / "router", {"models": models, "prediction_deadline": 5.0})
    wait_ready(running)
    yield running
    stop(running)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a directory with two images, one of them further down, and a file that is none."""
    directory = tmp_path / "in"
    (directory / "sub").mkdir(parents=True)
    (directory / "a.png").write_bytes(png())
    (directory / "sub" / "b.png").write_bytes(png((40, 20), (0, 90, 200, 255)))
    (directory / "notes.txt").write_text("no image")
    return directory


@pytest.fixture
def damaged(images: Path) -> Path:
    """Add an image that breaks off in the middle."""
    path = images / "damaged.png"
    path.write_bytes(noise(32)[:200])
    return path
