"""Reloading: a new export is found by watching, by signal and by call; a broken one changes nothing."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import anyio
import msgspec
import pytest

from daemon.exports import Exports, Fingerprint
from daemon.reload import Reloader, Watcher
from router import RoutingDecision
from tests.daemon.harness import PATIENCE, Daemon, StartDaemon, launch, stop, wait_ready
from tests.daemon.pictures import png
from tests.exports import write_export
from vecroute import Client, Status, image_hash
from vecroute._interface import INTERFACE
from vecroute._varlink import encode_call
from vecroute.errors import ReloadFailed, UnknownImage


def _export(directory: Path, day: int, **options: object) -> Path:
    """Write an export of that day; each day's predicts another quality."""
    return write_export(
        directory,
        forest=False,
        regressor=False,
        version=str(day),
        created=f"2026-01-{day:02}T00:00:00Z",
        bias=-0.01 * day,
        **options,  # type: ignore[arg-type] # handed through
    )


def _wait_status(daemon: Daemon, **wanted: object) -> Status:
    """Return the status once it is as wanted; `version` stands for the export's."""
    deadline = time.monotonic() + PATIENCE
    with daemon.client() as client:
        while True:
            status = client.status()
            found = {"version": status.export and status.export.version, "problem": bool(status.export_problem)}
            if all(found[name] == value for name, value in wanted.items()):
                return status
            assert time.monotonic() < deadline, status


def test_an_export_dropped_in_serves_without_a_restart(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    daemon = start(models=models)
    assert daemon.status().lane == "base"
    _export(tmp_path / "elsewhere", 1).rename(models / "first")
    _wait_status(daemon, version="1", problem=False)
    assert "test 1 on lane onnx" in daemon.wait_notice("READY=1")
    shutil.copytree(_export(tmp_path / "elsewhere", 2), models / "second")
    status = _wait_status(daemon, version="2", problem=False)
    assert (status.lane, status.pid) == ("onnx", daemon.process.pid)


def test_a_broken_export_leaves_the_old_one_and_the_status_says_why(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    _export(models / "good", 1)
    daemon = start(models=models)
    _export(models / "broken", 2, files={"quality_predictor.onnx": b"no model"})
    status = _wait_status(daemon, problem=True)
    assert status.export is not None
    assert (status.export.version, status.ready) == ("1", True)
    assert "broken" in str(status.export_problem)
    with daemon.client() as client:
        assert client.route(png()).lane == "onnx"
        with pytest.raises(ReloadFailed, match="broken"):
            client.reload()
    shutil.rmtree(models / "broken")
    _wait_status(daemon, version="1", problem=False)


class Quiet:
    """A daemon that watches nothing, so that a test says when it reloads; each test drops a newer export."""

    def __init__(self, daemon: Daemon, models: Path) -> None:
        self.daemon = daemon
        self.models = models
        self.day = 1

    def drop(self, **options: object) -> str:
        """Put a newer export into the directory and return its version."""
        self.day += 1
        _export(self.models / f"day-{self.day}", self.day, **options)
        return str(self.day)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    directory = tmp_path_factory.mktemp("quiet")
    _export(directory / "models" / "day-1", 1)
    daemon = launch(directory, directory / "router", {"models": directory / "models", "watch": "false"})
    wait_ready(daemon)
    yield Quiet(daemon, directory / "models")
    stop(daemon)


def test_a_reload_without_changes_answers_what_serves(quiet: Quiet) -> None:
    with quiet.daemon.client() as client:
        export = client.reload()
    assert export is not None
    assert export.version == str(quiet.day)


def test_after_a_swap_only_the_new_export_answers_and_what_was_asked_last_is_known_again(quiet: Quiet) -> None:
    key = image_hash(png()).hex()
    with quiet.daemon.client() as client:
        client.route(png())
        assert (client.route(png()).cache, client.route(hash=key).cache) == ("hit", "hit")
        version = quiet.drop()
        export = client.reload()
        assert export is not None
        assert export.version == version
        after = _wait_known(client, key)
    assert (after.cache, after.export) == ("hit", export)


def _wait_known(client: Client, key: str) -> RoutingDecision:
    """Return what is decided for a hash once the daemon knows it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return client.route(hash=key)
        except UnknownImage:
            assert time.monotonic() < deadline


def test_sighup_reloads_and_tells_the_manager(quiet: Quiet) -> None:
    version = quiet.drop()
    quiet.daemon.forget_notices()
    quiet.daemon.process.send_signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in quiet.daemon.wait_notice("RELOADING=1")
    assert f"STATUS=test {version} on lane onnx" in quiet.daemon.wait_notice("READY=1")
    _wait_status(quiet.daemon, version=version, problem=False)


def test_after_a_failed_reload_the_manager_is_told_ready_again(quiet: Quiet) -> None:
    serving = quiet.daemon.status().export
    version = quiet.drop(files={"quality_predictor.onnx": b"no model"})
    quiet.daemon.forget_notices()
    quiet.daemon.process.send_signal(signal.SIGHUP)
    quiet.daemon.wait_notice("RELOADING=1")
    assert "refused" in quiet.daemon.wait_notice("READY=1")
    assert quiet.daemon.status().export == serving
    shutil.rmtree(quiet.models / f"day-{version}")


def test_a_directory_that_appears_later_is_found(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "later", recheck=0.1)
    _export(tmp_path / "elsewhere" / "one", 1)
    (tmp_path / "elsewhere").rename(tmp_path / "later")
    _wait_status(daemon, version="1", problem=False)


def test_all_exports_taken_away_leaves_the_one_in_memory(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    _export(models / "one", 1)
    daemon = start(models=models)
    shutil.rmtree(models / "one")
    status = _wait_status(daemon, version="1", problem=True)
    assert "no export in" in str(status.export_problem)


def test_a_name_that_is_no_unicode_is_told_and_stops_nothing(start: StartDaemon, tmp_path: Path) -> None:
    strange = tmp_path / "models" / os.fsdecode(b"\xff")
    strange.mkdir(parents=True)
    (strange / "model_info.json").write_bytes(b"no manifest")
    daemon = start(models=tmp_path / "models", log_format="json", recheck=0.1)
    assert "\\udcff" in str(daemon.status().export_problem)
    _export(tmp_path / "elsewhere", 1).rename(tmp_path / "models" / "good")  # the watch cannot tell of it
    _wait_status(daemon, version="1", problem=True)
    assert daemon.terminate() == 0
    for line in daemon.log.read_bytes().splitlines():
        msgspec.json.decode(line)


def test_reloads_in_any_number_fit_a_short_queue(start: StartDaemon, tmp_path: Path) -> None:
    _export(tmp_path / "models" / "one", 1)
    daemon = start(models=tmp_path / "models", queue_limit=1, watch_step=0.01, recheck=0.1)
    clients = [daemon.connect() for _ in range(6)]
    for raw in clients:
        daemon.process.send_signal(signal.SIGHUP)
        raw.send(encode_call(f"{INTERFACE}.Reload"))
    assert [raw.reply().error for raw in clients] == [None] * len(clients)
    for raw in clients:
        raw.socket.close()
    assert daemon.terminate() == 0


class _Changed:
    """Stands for exports whose files have changed, and for the reloader that takes note of it."""

    def __init__(self) -> None:
        self.files: Fingerprint = ()
        self.reloaded = anyio.Event()

    async def wait_fingerprint(self) -> Fingerprint:
        return (("model_info.json", 1, 2, 3, 4),)

    async def try_reload(self) -> None:
        self.files = await self.wait_fingerprint()
        self.reloaded.set()


@pytest.mark.anyio
@pytest.mark.parametrize("error", [OSError("no space left on device"), RuntimeError("limit of watches reached")])
async def test_without_watches_the_files_are_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("daemon.reload.watchfiles.awatch", refuse)
    changed = _Changed()
    watcher = Watcher(tmp_path, 0.001, 0.01, cast("Exports", changed), cast("Reloader", changed))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.run)
            await changed.reloaded.wait()
            tasks.cancel_scope.cancel()
