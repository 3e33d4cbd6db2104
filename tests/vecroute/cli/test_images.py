"""Names lead to images: files, directories, patterns."""

import errno
import os
from pathlib import Path, PurePath
from typing import Any

import pytest

from vecroute.cli._images import Found, Missing, find_images, read_image
from vecroute.cli.errors import Unreadable


def below(names: list[Path | str]) -> list[str]:
    """Return what was found, by its name for the output."""
    return [str(one.below) for one in find_images(str(name) for name in names) if isinstance(one, Found)]


def problem(name: Path | str) -> str:
    """Return why a name leads nowhere."""
    (one,) = find_images([os.fspath(name)])
    assert isinstance(one, Missing)
    return str(one.problem)


def test_directory_holds_images_to_the_bottom(images: Path) -> None:
    assert below([images]) == ["a.png", "sub/b.png"]


def test_hidden_files_and_directories_are_left_alone(images: Path) -> None:
    (images / ".hidden").mkdir()
    (images / ".hidden" / "c.png").touch()
    (images / ".c.png").touch()
    assert below([images]) == ["a.png", "sub/b.png"]


@pytest.mark.parametrize("name", ["x.JPG", "x.jpeg", "x.webp", "x.gif", "x.bmp", "x.tif", "x.TIFF"])
def test_suffixes_of_known_formats(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert below([tmp_path]) == [name]


def test_a_file_named_is_taken_whatever_its_suffix(images: Path) -> None:
    assert below([images / "notes.txt"]) == ["notes.txt"]


def test_patterns_are_looked_up(images: Path) -> None:
    assert below([images / "*.png"]) == ["a.png"]
    assert below([images / "**" / "*.png"]) == ["a.png", "b.png"]
    assert below([images / "s*"]) == ["b.png"]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "[1].png").touch()
    assert below([tmp_path / "[1].png"]) == ["[1].png"]


def test_each_image_once_in_the_order_named(images: Path) -> None:
    found = find_images([str(images / "sub"), str(images), str(images / "a.png"), f"{images}/../in/a.png"])
    assert [one.below for one in found if isinstance(one, Found)][:2] == [PurePath("b.png"), PurePath("a.png")]
    assert len({os.path.realpath(one.path) for one in found}) == 2


def test_what_leads_nowhere_says_why(images: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "empty").mkdir()
    assert problem(tmp_path / "none.png").startswith("cannot be read (No such file or directory); check")
    assert problem(images / "*.webp") == "no file matches this pattern; check it"
    assert problem(tmp_path / "fifo.png").startswith("is no regular file; give")
    assert problem(tmp_path / "empty").startswith("the directory holds no image (bmp, gif, ")
    assert problem("nul\0.png").startswith("cannot be read (embedded null byte)")
    assert problem("long" * 100).startswith("cannot be read (File name too long)")
    assert problem("").startswith("the name is empty; give")


@pytest.mark.parametrize("directory_too", [True, False], ids=["the directory", "what is in it"])
def test_what_may_not_be_looked_at_is_told(directory_too: bool, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def forbidden(path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> os.stat_result:
        if str(path).startswith(f"{images}/") or (directory_too and path == images):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", forbidden)  # root, as whom tests may run, may look at everything
    found = find_images([os.fspath(images)])
    assert found
    assert all(isinstance(one, Missing) and "(Permission denied)" in str(one.problem) for one in found)


def test_read_image_refuses_what_is_too_large_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(33 * 2**20)
    with pytest.raises(Unreadable, match="the limit is 33,554,432"):
        read_image(path)


def test_read_image_says_why_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Unreadable, match=r"cannot be read \(Permission denied\)"):
        read_image(tmp_path / "a.png")
