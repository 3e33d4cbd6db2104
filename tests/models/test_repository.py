"""The newest export that loads serves; what stands before it is told, and never stops it."""

import errno
from pathlib import Path
from typing import Any

import pytest

from models import DEFAULT_MODELS, find_exports, find_policy, load_export, load_newest
from models._repository import _listed_digest
from tests import exports

ONNX = "quality_predictor.onnx"
DAYS = [f"2026-01-0{day}T00:00:00Z" for day in range(1, 8)]


def newest(models: Path, **options: Any) -> Any:
    return load_newest(models, defaults=None, **options)


def write(models: Path, name: str, day: int, **made: Any) -> Path:
    return exports.write_export(models / name, name=name, created=DAYS[day], **made)


def test_the_newest_comes_first_and_the_broken_last(tmp_path: Path) -> None:
    write(tmp_path, "b", 1)
    write(tmp_path, "a", 2)
    write(tmp_path, "c", 0)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "model_info.json").write_text("{", encoding="utf-8")
    found = find_exports(tmp_path)
    assert [one.name for one in found] == ["a", "b", "c", "d"]
    assert [bool(one.problem) for one in found] == [False, False, False, True]
    assert found[0].directory == tmp_path / "a"


def test_of_one_age_the_later_name_comes_first(tmp_path: Path) -> None:
    for name in ("v1", "v3", "v2"):
        write(tmp_path, name, 0)
    assert [one.name for one in find_exports(tmp_path)] == ["v3", "v2", "v1"]


def test_the_flat_layout_is_found_beside_directories(tmp_path: Path) -> None:
    write(tmp_path, ".", 5)
    write(tmp_path, "nested", 1)
    assert [one.directory for one in find_exports(tmp_path)] == [tmp_path, tmp_path / "nested"]
    assert newest(tmp_path).directory == tmp_path


def test_hidden_directories_and_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, ".half-copied", 5)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    assert find_exports(tmp_path) == []


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.touch(), lambda path: path.mkdir()])
def test_a_repository_that_is_missing_or_empty_leaves_the_builtin(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "models")
    loaded = newest(tmp_path / "models")
    assert (loaded.export.info.name, loaded.directory, loaded.problems) == ("builtin", None, ())


@pytest.mark.parametrize("target", ["model_info.json", "nowhere"], ids=["loop", "dangling"])
def test_a_manifest_that_leads_nowhere_is_told(target: str, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "model_info.json").symlink_to(target)
    assert "model_info.json cannot be read" in newest(tmp_path).problems[0]


@pytest.mark.parametrize("call", ["iterdir", "lstat"], ids=["the repository", "an export in it"])
def test_what_may_not_be_looked_into_is_told(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "one").mkdir()
    monkeypatch.setattr(Path, call, forbidden)  # root, as whom tests may run, may look into everything
    (first, *_) = find_exports(tmp_path)
    assert "cannot be read" in first.problem


def _damage(directory: Path) -> None:
    (directory / ONNX).write_bytes(b"half")


def _unmanifest(directory: Path) -> None:
    (directory / "model_info.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("harm", [_damage, _unmanifest], ids=["damaged file", "broken manifest"])
def test_a_broken_export_is_told_and_the_next_one_serves(harm: Any, tmp_path: Path) -> None:
    write(tmp_path, "old", 1)
    harm(write(tmp_path, "new", 2))
    loaded = newest(tmp_path)
    assert loaded.export.info.name == "old"
    assert [problem.split(":")[0] for problem in loaded.problems] == [str(tmp_path / "new")]


def test_every_broken_export_is_told(tmp_path: Path) -> None:
    _damage(write(tmp_path, "one", 1))
    _unmanifest(write(tmp_path, "two", 2))
    loaded = newest(tmp_path)
    assert loaded.export.info.name == "builtin"
    assert [problem.split(":")[0] for problem in loaded.problems] == [str(tmp_path / "two"), str(tmp_path / "one")]


def test_an_older_predictor_is_better_than_a_newer_one_that_does_not_run(tmp_path: Path) -> None:
    write(tmp_path, "old", 1)
    write(tmp_path, "new", 2, files={ONNX: b"no model"}, golden=False)
    loaded = newest(tmp_path)
    assert (loaded.export.info.name, loaded.export.lane) == ("old", "onnx")
    assert "lane onnx does not serve" in loaded.problems[0]


def test_an_export_whose_predictor_does_not_run_is_better_than_none(tmp_path: Path) -> None:
    write(tmp_path, "new", 2, files={ONNX: b"no model"}, golden=False)
    loaded = newest(tmp_path)
    assert (loaded.export.info.name, loaded.export.lane) == ("new", "base")
    assert loaded.directory == tmp_path / "new"
    assert len(loaded.problems) == 1


def test_an_export_without_a_predictor_serves_when_it_is_the_newest(tmp_path: Path) -> None:
    write(tmp_path, "old", 1)
    write(tmp_path, "new", 2, lanes=[])
    assert newest(tmp_path).export.info.name == "new"


def test_unverified_exports_are_passed_over_when_asked(tmp_path: Path) -> None:
    write(tmp_path, "old", 1)
    write(tmp_path, "new", 2, golden=False)
    assert newest(tmp_path).export.info.name == "new"
    assert newest(tmp_path, require_verified=True).export.info.name == "old"


def test_every_packaged_export_is_valid() -> None:
    assert [one.problem for one in find_exports(DEFAULT_MODELS) if one.problem] == []


def test_a_policy_is_found_by_the_digest_of_its_export(tmp_path: Path) -> None:
    for name, day in (("a", 1), ("b", 2)):
        write(tmp_path / "models", name, day, policy=True)
    write(tmp_path / "models", "unverified", 3, policy=True, change=lambda info: info["files"][ONNX].pop("sha256"))
    (tmp_path / "models" / "broken").mkdir()
    (tmp_path / "models" / "broken" / "model_info.json").write_text("{", encoding="utf-8")
    defaults = write(tmp_path, "default", 0, policy=True)
    digest = load_export(tmp_path / "models" / "a", defaults=None).info.digest
    found = find_policy(tmp_path / "models", digest, defaults=defaults)
    assert found is not None
    assert found.digest == digest
    other = find_policy(tmp_path / "models", "0" * 64, defaults=defaults)
    assert other is not None
    assert other.digest == load_export(defaults, defaults=None).info.digest
    assert find_policy(tmp_path / "nowhere", digest, defaults=None) is None


def test_an_export_taken_away_meanwhile_has_no_digest(tmp_path: Path) -> None:
    assert _listed_digest(tmp_path / "gone") == ""
