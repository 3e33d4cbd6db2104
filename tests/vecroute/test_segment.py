"""Which files are opened as a shared cache: ours, whole, of this boot; everything else is a typed error at once."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.vecroute.segments import SegmentWriter
from vecroute import _segment
from vecroute._layout import BadSegment, pack_geometry
from vecroute._segment import NoSegment, open_segment, trusted_owners
from vecroute.errors import VecrouteError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with SegmentWriter(tmp_path / "c.cache"):
        return tmp_path / "c.cache"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_whole_file_is_opened_and_no_descriptor_stays(path: Path) -> None:
    before = descriptors()
    segment = open_segment(path)
    assert segment.geometry.entries == 64
    assert len(segment.map) == path.stat().st_size == 8 * len(segment.words) == 8 * len(segment.floats)
    assert descriptors() == before


def test_a_missing_file_is_also_a_file_not_found_error(tmp_path: Path) -> None:
    for where in (tmp_path / "no.cache", tmp_path / "no" / "no.cache"):
        with pytest.raises(NoSegment, match="does not exist") as caught:
            open_segment(where)
        assert isinstance(caught.value, FileNotFoundError)
        assert isinstance(caught.value, VecrouteError)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def replace_by_socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))


def replace_by_link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("elsewhere")))


def replace_by_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def truncate_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def cut_the_header(path: Path) -> None:
    os.truncate(path, 64)


def extend(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def flip(offset: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[offset] ^= 1
        path.write_bytes(data)

    return damage


def from_another_boot(path: Path) -> None:
    geometry = msgspec.structs.replace(open_segment(path).geometry, boot=b"another boot ..!")
    header = pack_geometry(geometry)
    path.write_bytes(header + path.read_bytes()[len(header) :])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(replace_by_directory, "not a regular file", id="directory"),
        pytest.param(replace_by_fifo, "not a regular file", id="FIFO"),
        pytest.param(replace_by_socket, "cannot be opened", id="socket"),
        pytest.param(replace_by_link, "cannot be opened", id="symlink"),
        pytest.param(replace_by_loop, "cannot be opened", id="symlink to itself"),
        pytest.param(truncate, "where its header says", id="truncated"),
        pytest.param(truncate_to_nothing, "shorter than its header", id="empty"),
        pytest.param(cut_the_header, "shorter than its header", id="cut header"),
        pytest.param(extend, "where its header says", id="extended"),
        pytest.param(flip(0), "of another kind", id="magic"),
        pytest.param(flip(8), "its layout has version 0", id="old ABI"),
        pytest.param(flip(12), "another byte order", id="endianness"),
        pytest.param(flip(64), "its header is damaged", id="damaged seed"),
        pytest.param(from_another_boot, "another boot", id="boot"),
        pytest.param(lambda path: path.chmod(0o620), "others may write", id="group-writable"),
        pytest.param(lambda path: path.chmod(0o602), "others may write", id="world-writable"),
    ],
)
def test_everything_else_is_refused(path: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(path)
    before = descriptors()
    with pytest.raises(BadSegment, match=said):
        open_segment(path)
    assert descriptors() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_refused(path: Path) -> None:
    path.chmod(0)
    with pytest.raises(BadSegment, match="Permission denied"):
        open_segment(path)


def test_readable_for_others_is_fine(path: Path) -> None:
    path.chmod(0o644)
    assert open_segment(path).geometry.entries == 64


def test_somebody_elses_file_is_refused(path: Path) -> None:
    with pytest.raises(BadSegment, match=f"belongs to user {os.geteuid()}"):
        open_segment(path, owners={os.geteuid() + 1})


def test_believed_are_root_ourselves_and_the_directorys_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = path.parent.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert trusted_owners(path) == {0, 4242, mine}


def test_without_proc_the_boot_is_unknown(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vecroute._boot._BOOT_ID", tmp_path / "missing")
    with pytest.raises(BadSegment, match="cannot be mapped"):
        open_segment(path)


def test_a_file_that_cannot_be_mapped_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, size: int) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(_segment, "map_shared", fail)
    with pytest.raises(BadSegment, match="Cannot allocate memory"):
        open_segment(path)


def test_a_name_with_a_newline_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoSegment) as caught:
        open_segment(tmp_path / "a\nb")
    assert "\n" not in str(caught.value)
