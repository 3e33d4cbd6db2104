"""One line a label: whole or not there, by one run at a time, and what is damaged is told and left alone."""

import multiprocessing
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from training._labelfile import LabelFile, read_labels
from training._run import Label
from training.errors import LabelsBusy, LabelsDamaged, LabelsUnwritable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "label.jsonl"


def append(path: Path, *labels: Label) -> None:
    with LabelFile(path) as file:
        for one in labels:
            file.append(one)


def test_what_is_appended_is_read_again(searched: list[Label], path: Path) -> None:
    append(path, *searched[:2])
    append(path, searched[2])
    assert list(read_labels(path)) == searched[:3]


def test_no_file_holds_no_labels(path: Path) -> None:
    assert list(read_labels(path)) == []


@pytest.mark.parametrize("block", [7, 1 << 16], ids=["small blocks", "one block"])
@pytest.mark.parametrize("kept", [0, 1, 2])
@pytest.mark.parametrize("half", [b"", b'{"key": "ab', b"x" * 40], ids=["whole", "short", "long"])
def test_a_half_written_last_line_is_passed_over_and_dropped(
    searched: list[Label], path: Path, block: int, kept: int, half: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training._labelfile._BLOCK", block)
    append(path, *searched[:kept])
    with path.open("ab") as file:
        file.write(half)
    assert list(read_labels(path)) == searched[:kept]
    append(path, searched[3])
    assert list(read_labels(path)) == [*searched[:kept], searched[3]]


def test_a_damaged_line_is_told_with_its_number_and_how_to_remove_it(searched: list[Label], path: Path) -> None:
    append(path, searched[0])
    with path.open("ab") as file:
        file.write(b'{"key": 1}\n')
    with pytest.raises(LabelsDamaged, match=rf"line 2: .*sed -i 2d {path}"):
        list(read_labels(path))


def test_a_second_run_on_one_file_is_refused_until_the_first_ends(searched: list[Label], path: Path) -> None:
    with LabelFile(path) as file:
        file.append(searched[0])
        with pytest.raises(LabelsBusy, match="another run is writing"):
            append(path, searched[1])
        file.append(searched[2])
    append(path, searched[1])
    assert list(read_labels(path)) == [searched[0], searched[2], searched[1]]


def test_a_folder_that_cannot_be_made_is_told(searched: list[Label], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabelsUnwritable, match=r"file/label.jsonl \(File exists\)"):
        append(tmp_path / "file" / "label.jsonl", searched[0])


@pytest.fixture
def room(searched: list[Label]) -> Iterator[int]:
    """Let files grow to two labels and a half; the kernel takes the part that fits, as a disk does that fills up."""
    sizes = [len(msgspec.json.encode(one)) + 1 for one in searched[:3]]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[0] + sizes[1] + sizes[2] // 2, before[1]))
    yield 2
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_there_is_no_room_the_lines_before_stay_whole(searched: list[Label], path: Path, room: int) -> None:
    with LabelFile(path) as file:
        for one in searched[:room]:
            file.append(one)
        with pytest.raises(LabelsUnwritable, match="free some room"):
            file.append(searched[room])
        # As it was before, not one byte more: a reader that does not know of half lines may use it.
        assert b"".join(msgspec.json.encode(one) + b"\n" for one in searched[:room]) == path.read_bytes()


def test_a_full_device_is_named(searched: list[Label], tmp_path: Path) -> None:
    full = tmp_path / "label.jsonl"
    full.symlink_to("/dev/full")
    with LabelFile(full) as file, pytest.raises(LabelsUnwritable, match="No space left on device"):
        file.append(searched[0])


def _append_for_ever(path: Path, one: Label) -> None:
    with LabelFile(path) as file:
        while True:
            file.append(one)


def test_a_kill_while_lines_are_written_leaves_whole_ones(searched: list[Label], path: Path) -> None:
    writer = multiprocessing.get_context("fork").Process(target=_append_for_ever, args=(path, searched[0]))
    writer.start()
    while not path.exists() or path.stat().st_size < 100_000:
        os.sched_yield()
    writer.kill()
    writer.join()
    append(path, searched[1])
    found = list(read_labels(path))
    assert found[-1] == searched[1]
    assert all(one == searched[0] for one in found[:-1])
