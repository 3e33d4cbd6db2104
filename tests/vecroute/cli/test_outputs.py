"""Outputs have one name each and are whole or absent."""

import os
from pathlib import Path, PurePath

import pytest

from vecroute.cli._images import Found
from vecroute.cli._outputs import Unwritable, check_writable, name_outputs, write_whole
from vecroute.cli.errors import UsageError


def named(output: Path, *below: str) -> list[str]:
    """Return the outputs' names for images found below a directory."""
    found = [Found(Path("in") / name, PurePath(name)) for name in below]
    return [os.fspath(path.relative_to(output)) for path in name_outputs(found, output)]


@pytest.mark.parametrize(
    ("below", "names"),
    [
        pytest.param(["a.png", "b.jpg"], ["a.svg", "b.svg"], id="stems"),
        pytest.param(["sub/a.png", "a.png"], ["sub/a.svg", "a.svg"], id="the tree is kept"),
        pytest.param(["a.png", "a.jpg"], ["a.png.svg", "a.jpg.svg"], id="same stem"),
        pytest.param(["a.png", "A.jpg"], ["a.png.svg", "A.jpg.svg"], id="same stem where case is ignored"),
        pytest.param(["a.png", "a.png"], ["a.png.svg", "a.png-2.svg"], id="same name from two directories"),
        pytest.param(["a.png", "a.jpg", "a.png.gif"], ["a.png.svg", "a.jpg.svg", "a.png-2.svg"], id="by bad luck"),
    ],
)
def test_names_in_a_directory(tmp_path: Path, below: list[str], names: list[str]) -> None:
    assert named(tmp_path, *below) == names


def test_one_image_to_one_file(tmp_path: Path) -> None:
    assert name_outputs([Found(Path("a.png"), PurePath("a.png"))], tmp_path / "x.svg") == [tmp_path / "x.svg"]


def test_a_directory_may_be_called_svg(tmp_path: Path) -> None:
    (tmp_path / "x.svg").mkdir()
    assert named(tmp_path / "x.svg", "a.png", "b.png") == ["a.svg", "b.svg"]


def test_several_images_do_not_fit_one_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 images cannot go to the one file"):
        named(tmp_path / "x.svg", "a.png", "b.png")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="is no directory"):
        named(tmp_path / "x", "a.png")


def test_write_whole_makes_directories_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.svg"
    write_whole(path, "one")
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_written_files_may_be_read_like_any_other(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "a.svg", "one")
    finally:
        os.umask(before)
    assert (tmp_path / "a.svg").stat().st_mode & 0o777 == 0o644


def test_a_name_that_is_too_long_is_told_when_it_is_written(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 100 + ".svg")
    assert name_outputs([Found(Path("a.png"), PurePath("a.png"))], long) == [long]
    with pytest.raises(Unwritable, match="File name too long"):
        write_whole(long, "one")


@pytest.mark.parametrize(
    ("below", "reason"), [("file/a.json", "File exists"), ("", "Is a directory"), ("shut/a.json", "Permission denied")]
)
def test_check_writable_says_why_it_will_not_be(
    below: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / "shut")  # root may write everywhere
    check_writable(tmp_path / "new" / "a.json")
    with pytest.raises(Unwritable, match=reason):
        check_writable(tmp_path / below)


def test_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.svg"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(Unwritable, match=r"cannot write .*a.svg \(No space left on device\); check"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_write_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.svg", "new")
    assert list(tmp_path.iterdir()) == []
