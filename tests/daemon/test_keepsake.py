"""A file left for the next daemon is whole, ours and of this version, or refused."""

from pathlib import Path

import pytest

from daemon import keepsake

MAGIC = b"vecroute test 1 "


def test_a_file_is_ours_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    keepsake.save(path, MAGIC, b"body")
    assert keepsake.load(path, MAGIC, 100) == b"body"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_damaged_file_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    keepsake.save(path, MAGIC, b"the whole body")
    good = path.read_bytes()
    for bad in (b"", good[:-1], good + b"x", good[:25] + b"?" + good[26:], good.replace(b"test 1", b"test 0")):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="damaged or of another version"):
            keepsake.load(path, MAGIC, 100)


def test_what_is_no_file_of_ours_is_not_read(tmp_path: Path) -> None:
    keepsake.save(tmp_path / "kept", MAGIC, b"body")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises((OSError, ValueError)):
            keepsake.load(path, MAGIC, 100)
    with pytest.raises(ValueError, match="not a file of ours"):
        keepsake.load(tmp_path / "kept", MAGIC, len(MAGIC))


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(OSError, match="directory"):
        keepsake.save(tmp_path / "kept", MAGIC, b"body")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
