"""Families are packed by npm and read one drawing at a time; what is missing or damaged is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.corpora import HELD_OUT, TRAINED, icons, pack
from training._corpus import Family, drawings, families, fetch
from training.errors import FamilyMissing

FakeNpm = Callable[[str], Path]


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNpm:
    """Return a function that puts an `npm` on the PATH, a shell script, and returns the log of its arguments."""

    def install(script: str) -> Path:
        programs, log = tmp_path / "bin", tmp_path / "npm.log"
        programs.mkdir()
        (programs / "npm").write_text(f'#!/bin/sh\necho "$@" >>{log}\n{script}\n')
        (programs / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        return log

    return install


def test_families_are_those_of_the_table() -> None:
    assert families() == [TRAINED, HELD_OUT]


def test_the_real_table_holds_out_whole_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training._corpus.CORPUS_TOML", Path("training/corpus.toml"))
    found = families()
    assert {f.split for f in found} == {"train", "validate"}
    assert len({f.name for f in found}) == len(found)
    assert sum(f.images for f in found) >= 1500


def test_names_of_package_and_archive() -> None:
    assert (TRAINED.name, TRAINED.archive) == ("shapes", "tiny-shapes-1.0.0.tgz")
    plain = Family(package="plain", version="2.0", licence="MIT", images=1, split="train")
    assert (plain.name, plain.archive) == ("plain", "plain-2.0.tgz")


def test_drawings_have_their_own_size_or_the_familys(tmp_path: Path) -> None:
    content = {
        "width": 32,
        "icons": {"b": {"body": "<g/>", "width": 48, "height": 12.5, "left": -2}, "a": {"body": "<path/>"}},
    }
    found = drawings(pack(tmp_path, TRAINED, content), TRAINED.package)
    assert list(found) == ["a", "b"]
    assert (found["a"].width, found["a"].height) == (32, 16)
    assert 'viewBox="-2 0 48 12.5" width="48" height="12.5"><g/></svg>' in found["b"].svg


@pytest.mark.parametrize(
    "content",
    [{}, {"icons": {}}, {"icons": {"a": {}}}, {"icons": {"a": {"body": "", "width": None}}}, []],
    ids=["no icons", "none at all", "no body", "no width", "a list"],
)
def test_archives_without_drawings_are_told(tmp_path: Path, content: Any) -> None:
    with pytest.raises(FamilyMissing, match="tiny-shapes"):
        drawings(pack(tmp_path, TRAINED, content), TRAINED.package)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.8], ids=str)
def test_archives_cut_short_are_told(tmp_path: Path, kept: float) -> None:
    path = pack(tmp_path, TRAINED, icons(400))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept if kept >= 1 else len(data) * kept)])
    with pytest.raises(FamilyMissing):
        drawings(path, TRAINED.package)


def test_archives_of_something_else_are_told(tmp_path: Path) -> None:
    with pytest.raises(FamilyMissing):
        drawings(tmp_path / "absent.tgz", TRAINED.package)
    damaged = pack(tmp_path, TRAINED)
    damaged.write_bytes(damaged.read_bytes()[:60] + b"\xff" * 80)
    with pytest.raises(FamilyMissing):
        drawings(damaged, TRAINED.package)


def test_npm_packs_what_is_not_there_yet(tmp_path: Path, npm: FakeNpm) -> None:
    source, folder = pack(tmp_path / "registry", TRAINED), tmp_path / "corpus"
    log = npm(f"cp {source} .")
    path = fetch(TRAINED, folder)
    assert path == folder / TRAINED.archive
    assert path.read_bytes() == source.read_bytes()
    assert [p.name for p in folder.iterdir()] == [TRAINED.archive]
    assert fetch(TRAINED, folder) == path
    assert log.read_text() == "pack --silent @tiny/shapes@1.0.0\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("echo 404 not found >&2; exit 1", "404 not found", id="fails"),
        pytest.param("exit 1", "exit status 1", id="fails without a word"),
        pytest.param("touch other.tgz", "did not write tiny-shapes-1.0.0.tgz", id="writes another file"),
        pytest.param(f"echo half >{TRAINED.archive}; kill -9 $$", "died with", id="killed while it writes"),
    ],
)
def test_what_npm_cannot_do_is_told_and_leaves_nothing(tmp_path: Path, npm: FakeNpm, script: str, reason: str) -> None:
    npm(script)
    with pytest.raises(FamilyMissing, match=reason):
        fetch(TRAINED, tmp_path / "corpus")
    assert list((tmp_path / "corpus").iterdir()) == []


def test_without_npm_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FamilyMissing, match="npm is not installed"):
        fetch(TRAINED, tmp_path / "corpus")


def test_npm_that_hangs_is_given_up(tmp_path: Path, npm: FakeNpm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training._corpus.NPM_TIMEOUT", 0.2)
    npm("exec tail -f /dev/null")
    with pytest.raises(FamilyMissing, match="timed out"):
        fetch(TRAINED, tmp_path / "corpus")
