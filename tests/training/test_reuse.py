"""Finished tables become a work folder again: nothing is lost, mixed up or taken from another export."""

from pathlib import Path

import msgspec
import pytest

from models import load_export
from models.errors import ManifestMissing
from tests.exports import write_export
from training._labelfile import read_labels
from training._parquet import read_tables, write_tables
from training._policyfile import read_policy
from training._reuse import EXPORT, TABLES, reuse, share_known
from training._run import Label
from training.errors import LabelsDamaged, LabelsForeign


@pytest.fixture
def tables(tmp_path: Path, searched: list[Label], labelled: list[Label]) -> Path:
    """Return finished tables of both phases."""
    write_tables(tmp_path / "tables", {"search": searched, "label": labelled})
    return tmp_path / "tables"


def test_labels_and_the_export_behind_them_lie_as_the_steps_leave_them(
    tmp_path: Path, tables: Path, fitted: Path, searched: list[Label], labelled: list[Label]
) -> None:
    done = reuse(tables, fitted, tmp_path / "work")
    assert (done.images, done.known) == ({"search": len(searched), "label": len(labelled)}, 1.0)
    assert list(read_labels(tmp_path / "work" / "label.jsonl")) == labelled
    assert list(read_labels(tmp_path / "work" / "search.jsonl")) == searched
    assert load_export(tmp_path / "work" / "fitted").info == load_export(fitted).info
    assert {p.name for p in (tmp_path / "work").iterdir()} == {"label.jsonl", "search.jsonl", "fitted"}


def test_the_policy_of_the_export_is_taken_over(tmp_path: Path, tables: Path) -> None:
    export = write_export(tmp_path / "other", policy=True)
    reuse(tables, export, tmp_path / "work")
    policy = read_policy(tmp_path / "work" / "policy")
    assert policy is not None
    assert policy.onnx == (export / "policy.onnx").read_bytes()
    assert policy.golden == (export / "policy_golden.npz").read_bytes()


def test_again_changes_nothing_and_a_cut_is_mended(
    tmp_path: Path, tables: Path, fitted: Path, labelled: list[Label]
) -> None:
    reuse(tables, fitted, tmp_path / "work")
    path = tmp_path / "work" / "label.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        reuse(tables, fitted, tmp_path / "work")
        assert path.read_bytes() == whole


def test_labels_of_another_origin_are_kept(tmp_path: Path, tables: Path, fitted: Path, labelled: list[Label]) -> None:
    own = tmp_path / "work" / "label.jsonl"
    own.parent.mkdir()
    own.write_bytes(msgspec.json.encode(msgspec.structs.replace(labelled[0], key="mine")) + b"\n")
    before = own.read_bytes()
    with pytest.raises(LabelsForeign, match="choose another folder"):
        reuse(tables, fitted, tmp_path / "work")
    assert own.read_bytes() == before


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        pytest.param("label", "offers other plans", id="plans of another export"),
        pytest.param("search", "no image in the phase label", id="nothing labelled"),
    ],
)
def test_an_export_that_did_not_offer_these_plans_is_refused(
    tmp_path: Path, labelled: list[Label], phase: str, says: str
) -> None:
    strange = [msgspec.structs.replace(label, runs=label.runs[:1]) for label in labelled]
    write_tables(tmp_path / "tables", {phase: strange})
    other = write_export(tmp_path / "other")
    with pytest.raises(LabelsForeign, match=says):
        reuse(tmp_path / "tables", other, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_missing_tables_and_exports_are_told(tmp_path: Path, tables: Path) -> None:
    with pytest.raises(LabelsDamaged):
        reuse(tmp_path / "none", EXPORT, tmp_path / "work")
    with pytest.raises(ManifestMissing):
        reuse(tables, tmp_path / "none", tmp_path / "work")


def test_a_share_of_the_plans_may_be_unknown(fitted: Path, labelled: list[Label]) -> None:
    export = load_export(fitted)
    halved = [msgspec.structs.replace(label, runs=()) if i % 2 else label for i, label in enumerate(labelled)]
    assert 0.2 < share_known(export, halved) < 0.8
    assert share_known(export, []) == 0.0


def test_what_comes_with_the_package_is_not_refused() -> None:
    # All of it, when tables, export and formulas were made together; less while one of them is ahead of the others.
    assert share_known(load_export(EXPORT), read_tables(TABLES)["label"]) > 0
