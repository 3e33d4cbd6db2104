"""Finished labels survive as two Parquet tables; damaged ones are told."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training._parquet import IMAGES, RUNS, read_tables, write_tables
from training._run import Label
from training.errors import LabelsDamaged


@pytest.fixture
def folder(tmp_path: Path, searched: list[Label], labelled: list[Label]) -> Path:
    write_tables(tmp_path / "labels", {"search": searched, "label": labelled})
    return tmp_path / "labels"


def test_what_was_written_is_read_back(folder: Path, searched: list[Label], labelled: list[Label]) -> None:
    found = read_tables(folder)
    assert found == {"search": searched, "label": labelled}
    assert sorted(p.name for p in folder.iterdir()) == sorted([IMAGES, RUNS])


def test_writing_again_replaces_the_tables(folder: Path, searched: list[Label]) -> None:
    write_tables(folder, {"search": searched[:1]})
    assert read_tables(folder) == {"search": searched[:1]}


@pytest.mark.parametrize("name", [IMAGES, RUNS])
def test_a_damaged_or_missing_table_is_told(folder: Path, name: str) -> None:
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(LabelsDamaged, match=name):
        read_tables(folder)
    path.unlink()
    with pytest.raises(LabelsDamaged, match=name):
        read_tables(folder)


@pytest.mark.parametrize("name", [IMAGES, RUNS])
@pytest.mark.parametrize("rows", [[{"phase": "search"}], [{"phase": "search", "key": "k", "quality": "much"}]])
def test_a_table_of_something_else_is_told(folder: Path, name: str, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), folder / name)
    with pytest.raises(LabelsDamaged, match="label again"):
        read_tables(folder)
