"""Reloading: a new export is found by watching, by signal and by call; a broken one changes nothing."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.daemon.harness import PATIENCE, Daemon, StartDaemon
from tests.daemon.pictures import png
from tests.exports import write_export
from vecroute import Status
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


def test_answers_of_the_old_export_are_forgotten_after_a_swap(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    _export(models / "one", 1)
    daemon = start(models=models, watch="false")
    with daemon.client() as client:
        before = client.route(png())
        assert client.route(png()).cache == "hit"
        _export(models / "two", 2)
        export = client.reload()
        assert export is not None
        assert export.version == "2"
        after = client.route(png())
    assert after.cache == "miss"
    assert after.estimated_quality < before.estimated_quality


def test_a_hash_alone_is_unknown_after_a_swap(start: StartDaemon, tmp_path: Path) -> None:
    from vecroute import image_hash

    models = tmp_path / "models"
    _export(models / "one", 1)
    daemon = start(models=models, watch="false")
    with daemon.client() as client:
        client.route(png())
        assert client.route(hash=image_hash(png()).hex()).cache == "hit"
        _export(models / "two", 2)
        client.reload()
        with pytest.raises(UnknownImage):
            client.route(hash=image_hash(png()).hex())


def test_sighup_reloads_and_tells_the_manager(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    _export(models / "one", 1)
    daemon = start(models=models, watch="false")
    _export(models / "two", 2)
    daemon.process.send_signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in daemon.wait_notice("RELOADING=1")
    assert "STATUS=test 2 on lane onnx" in daemon.wait_notice("READY=1")
    _wait_status(daemon, version="2", problem=False)


def test_after_a_failed_reload_the_manager_is_told_ready_again(start: StartDaemon, tmp_path: Path) -> None:
    models = tmp_path / "models"
    _export(models / "one", 1)
    daemon = start(models=models, watch="false")
    (models / "one" / "quality_predictor.onnx").write_bytes(b"damaged")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_notice("RELOADING=1")
    assert "refused" in daemon.wait_notice("READY=1")
    assert daemon.status().lane == "onnx"


def test_a_reload_without_changes_answers_what_serves(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=_export(tmp_path / "models", 3), watch="false")
    with daemon.client() as client:
        export = client.reload()
    assert export is not None
    assert export.version == "3"


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
