"""What is loaded is a private copy of exactly the bytes that were checked, and it is gone afterwards."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from models._digest import copy_hashed
from models._manifest import FOREST
from models._staging import (
    MAX_FILE_BYTES,
    MAX_MANIFEST_BYTES,
    PREFIX,
    STALE_SECONDS,
    default_staging,
    describe,
    staged,
)
from models.errors import (
    ExportError,
    FileDamaged,
    FileMissing,
    ManifestInvalid,
    ManifestMissing,
    StagingFailed,
    UnknownFeature,
    UnknownFormat,
)
from tests import exports

NAME = "quality_predictor.onnx"


def stage(directory: Path, staging: Path | None = None) -> str:
    with staged(describe(directory), staging) as copy:
        return copy.digest


def test_the_copy_is_whole_read_only_and_removed(tmp_path: Path, staging: Path) -> None:
    directory = exports.write_export(tmp_path / "a", regressor=False, forest=False)
    with staged(describe(directory), None) as copy:
        assert copy.root.parent == staging
        assert copy.missing == ""
        assert (copy.root / NAME).read_bytes() == (directory / NAME).read_bytes()
        assert copy.root.stat().st_mode & 0o777 == 0o500
    assert list(staging.iterdir()) == []


def test_the_digest_is_the_same_for_the_same_export_only(tmp_path: Path) -> None:
    first = stage(exports.write_export(tmp_path / "a"))
    assert first == stage(exports.write_export(tmp_path / "b"))
    assert first != stage(exports.write_export(tmp_path / "c", bias=0.01))
    assert first != stage(exports.write_export(tmp_path / "d", version="2"))


def test_only_the_roles_asked_for_are_copied_under_the_same_digest(tmp_path: Path) -> None:
    directory = exports.write_export(tmp_path / "a")
    with staged(describe(directory), None, frozenset({FOREST})) as copy:
        assert [path.name for path in copy.root.iterdir()] == ["base_forest.onnx"]
        assert copy.digest == stage(directory)


def _flip(directory: Path) -> None:
    data = bytearray((directory / NAME).read_bytes())
    data[len(data) // 2] ^= 1
    (directory / NAME).write_bytes(data)


def _truncate(directory: Path) -> None:
    (directory / NAME).write_bytes((directory / NAME).read_bytes()[:-1])


def _remove(directory: Path) -> None:
    (directory / NAME).unlink()


def _fifo(directory: Path) -> None:
    _remove(directory)
    os.mkfifo(directory / NAME)


def _directory(directory: Path) -> None:
    _remove(directory)
    (directory / NAME).mkdir()


@pytest.mark.parametrize(
    ("harm", "error", "words"),
    [
        pytest.param(_flip, FileDamaged, "SHA-256", id="one flipped bit"),
        pytest.param(_truncate, FileDamaged, "bytes, the manifest says", id="half copied"),
        pytest.param(_remove, FileMissing, "No such file", id="missing"),
        pytest.param(_fifo, FileMissing, "not a regular file", id="a FIFO that would block"),
        pytest.param(_directory, FileMissing, "not a regular file", id="a directory"),
    ],
)
def test_a_harmed_file_is_refused_and_nothing_stays(
    harm: Any, error: type[ExportError], words: str, tmp_path: Path, staging: Path
) -> None:
    directory = exports.write_export(tmp_path / "a")
    harm(directory)
    with pytest.raises(error, match=words):
        stage(directory)
    assert list(staging.iterdir()) == []


def _manifest(directory: Path, text: str) -> Path:
    directory.mkdir()
    (directory / "model_info.json").write_text(text, encoding="utf-8")
    return directory


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("", ManifestInvalid, id="empty"),
        pytest.param("[1]", ManifestInvalid, id="no object"),
        pytest.param('{"format": 1', ManifestInvalid, id="half written"),
        pytest.param('{"format": 2}', UnknownFormat, id="format of the future"),
        pytest.param('{"format": "1"}', UnknownFormat, id="format as text"),
        pytest.param('{"format": 1}', ManifestInvalid, id="nothing but the format"),
        pytest.param('{"format": ' + "[" * 100_000, ManifestInvalid, id="nested without end"),
        pytest.param('{"features": 3}', ManifestInvalid, id="bare with a wrong type"),
    ],
)
def test_a_bad_manifest_is_refused(text: str, error: type[ExportError], tmp_path: Path) -> None:
    with pytest.raises(error):
        describe(_manifest(tmp_path / "a", text))


def test_without_a_manifest_there_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ManifestMissing, match="No such file"):
        describe(tmp_path)


def test_a_manifest_that_is_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match="more than 4,194,304 bytes"):
        describe(_manifest(tmp_path / "a", "[" * (MAX_MANIFEST_BYTES + 1)))


def test_a_file_that_no_runtime_could_load_is_not_copied(tmp_path: Path, staging: Path) -> None:
    directory = exports.write_older_export(tmp_path / "a", signature="vector")
    os.truncate(directory / NAME, MAX_FILE_BYTES + 1)
    with pytest.raises(FileDamaged, match="the limit is 2,147,483,648"):
        stage(directory)
    assert list(staging.iterdir()) == []


def test_an_unknown_feature_is_told_by_name(tmp_path: Path) -> None:
    def lie(info: dict[str, Any]) -> None:
        info["forest"]["names"][0] = "smell"

    with pytest.raises(UnknownFeature, match="forest names the feature 'smell'"):
        describe(exports.write_export(tmp_path / "a", change=lie))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = exports.write_older_export(tmp_path / "a", signature="vector")

    def appending(source: Any, target: Any) -> tuple[str, int]:
        copied = copy_hashed(source, target)
        with (directory / NAME).open("ab") as file:
            file.write(b"more")
        return copied

    monkeypatch.setattr("models._staging.copy_hashed", appending)
    with pytest.raises(FileDamaged, match="changed while it was read"):
        stage(directory)


def test_a_full_disk_is_told_and_nothing_stays(tmp_path: Path, staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Any, target: Any) -> tuple[str, int]:
        raise OSError(errno.ENOSPC, "No space left on device")

    directory = exports.write_export(tmp_path / "a")
    monkeypatch.setattr("models._staging.copy_hashed", full)
    with pytest.raises(StagingFailed, match="No space left"):
        stage(directory)
    assert list(staging.iterdir()) == []


def test_an_export_that_is_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    directory = exports.write_older_export(tmp_path / "a", signature="vector")
    described = describe(directory)
    exports.write_older_export(directory, signature="vector", info={"version": "2"})
    with pytest.raises(FileDamaged, match=r"model_info\.json"), staged(described, None):
        pass


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        pytest.param(lambda info: info["files"][NAME].pop("sha256"), f"no hash for {NAME}", id="no hash"),
        pytest.param(lambda info: info["files"].pop("golden.npz"), "no golden samples", id="no golden samples"),
    ],
)
def test_what_cannot_be_checked_is_said(change: Any, missing: str, tmp_path: Path) -> None:
    with staged(describe(exports.write_export(tmp_path / "a", change=change)), None) as copy:
        assert copy.missing == missing


@pytest.mark.parametrize(
    ("variables", "directory"),
    [
        pytest.param({"CACHE_DIRECTORY": "/c:/d", "RUNTIME_DIRECTORY": "/r"}, "/c", id="the service's cache"),
        pytest.param({"RUNTIME_DIRECTORY": "/r"}, "/r", id="the service's runtime directory"),
        pytest.param({"XDG_CACHE_HOME": "/x"}, "/x/vecroute", id="the user's cache"),
        pytest.param({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/vecroute", id="the home directory"),
    ],
)
def test_copies_are_made_where_the_host_wants_them(
    variables: dict[str, str], directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_staging() == Path(directory)


def test_without_a_cache_directory_the_temporary_one_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with staged(describe(exports.write_export(tmp_path / "a")), None) as copy:
        assert copy.root.parent == tmp_path / "tmp"


def test_a_staging_directory_that_was_asked_for_has_no_substitute(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StagingFailed, match="set another staging directory"):
        stage(exports.write_export(tmp_path / "a"), tmp_path / "file")


def test_copies_of_killed_processes_are_swept(tmp_path: Path, staging: Path) -> None:
    old, young, foreign = (staging / name for name in (f"{PREFIX}old", f"{PREFIX}young", "foreign"))
    for path in (old, young, foreign):
        path.mkdir(parents=True)
        (path / "file").touch()
    for path in (old, foreign):
        os.utime(path, (0, 0))
    assert young.stat().st_mtime > STALE_SECONDS
    stage(exports.write_export(tmp_path / "a"))
    assert sorted(staging.iterdir()) == sorted([young, foreign])


def test_sweeping_follows_no_link(tmp_path: Path, staging: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    os.utime(own, (0, 0))
    staging.mkdir(parents=True)
    (staging / f"{PREFIX}trap").symlink_to(own)
    stage(exports.write_export(tmp_path / "a"))
    assert own.stat().st_mode & 0o777 == 0o755


def test_a_copy_that_was_cleaned_away_under_us_is_no_error(tmp_path: Path) -> None:
    with staged(describe(exports.write_export(tmp_path / "a")), None) as copy:
        copy.root.chmod(0o700)
        shutil.rmtree(copy.root)


def test_a_host_without_any_directory_to_write_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(StagingFailed, match="No usable temporary directory"):
        stage(exports.write_export(tmp_path / "a"))


def test_a_user_without_a_home_stages_in_the_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert default_staging() == Path(tempfile.gettempdir())
