"""Steps make do with the families that are there."""

from pathlib import Path

import pytest

from tests.training.corpora import HELD_OUT, TRAINED, pack
from training._steps import Work, _specs
from training.errors import FamilyMissing


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Return folders of their own, where npm is not installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    corpus, folder, labels, export = (tmp_path / name for name in ("corpus", "work", "labels", "export"))
    return Work(corpus=corpus, folder=folder, labels=labels, export=export, workers=1, scale=1.0)


def test_images_are_those_of_all_families_in_an_order_of_their_own(work: Work) -> None:
    for family in (TRAINED, HELD_OUT):
        pack(work.corpus, family)
    found, missing = _specs(work)
    assert {spec.family for spec in found} == {TRAINED.name, HELD_OUT.name}
    assert found == sorted(found, key=lambda spec: spec.key)
    assert missing == []


def test_missing_and_damaged_families_are_left_out(work: Work) -> None:
    pack(work.corpus, TRAINED)
    alone = _specs(work)
    assert {spec.family for spec in alone[0]} == {TRAINED.name}
    assert [(one.package, one.reason) for one in alone[1]] == [(HELD_OUT.package, "npm is not installed")]
    pack(work.corpus, HELD_OUT).write_bytes(b"cut short")
    damaged = _specs(work)
    assert damaged[0] == alone[0]
    assert damaged[1][0].reason.startswith(HELD_OUT.archive)


def test_without_any_family_there_is_nothing_to_do(work: Work) -> None:
    with pytest.raises(FamilyMissing, match=TRAINED.package):
        _specs(work)
