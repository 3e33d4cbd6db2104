"""A step that labels: the engine asked for, a bar that knows what is done, and what is missing named at its end."""

import os
import sys
from pathlib import Path

import pytest

from tests.training.test_engine import Here
from training._labelling import MOST_SHOWN, choose_engine, label_all
from training._local import LocalEngine
from training._run import Task
from training.errors import ExtraMissing, FamilyMissing, Incomplete

ABSENT = FamilyMissing("@tiny/badges", "npm is not installed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "label.jsonl"


def test_one_machine_uses_all_its_processors_unless_told_otherwise() -> None:
    for workers, used in ((None, os.cpu_count()), (3, 3)):
        engine = choose_engine("local", workers=workers, ray_address=None)
        assert isinstance(engine, LocalEngine)
        assert engine.workers == used


def test_ray_is_imported_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    choose_engine("local", workers=1, ray_address=None)
    with pytest.raises(ExtraMissing, match=r"pip install 'vecroute\[ray\]'"):
        choose_engine("ray", workers=None, ray_address=None)


def test_a_step_without_failures_is_one_line(tasks: list[Task], path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label_all("label", tasks, path, Here(), [])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "6/6" in shown.err
    assert shown.err.splitlines()[-1] == "label: 6 images run now, 0 failed, 6 in all"
    assert [p.name for p in path.parent.iterdir()] == ["label.jsonl"]


def test_what_failed_is_listed_beside_the_labels_and_at_the_end_until_it_is_done(
    tasks: list[Task], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tasks[1].spec
    listed = f"{spec.family}/{spec.drawing} at {spec.longest} px: it is cursed"
    with pytest.raises(Incomplete, match=r"label: 1 images have no label \(.*label\.failures\.txt says why\)"):
        label_all("label", tasks, path, Here(spec.drawing), [])
    assert (path.parent / "label.failures.txt").read_text() == f"{listed}\n"
    said = capsys.readouterr().err
    assert "label, 1 failed" in said
    assert said.splitlines()[-2:] == ["label: 5 images run now, 1 failed, 6 in all", f"failed: {listed}"]

    label_all("label", tasks, path, Here(), [])
    again = capsys.readouterr().err
    assert "6/6" in again
    assert again.splitlines()[-1] == "label: 1 images run now, 0 failed, 6 in all"
    assert not (path.parent / "label.failures.txt").exists()


def test_of_many_failures_some_are_shown(
    tasks: list[Task], path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_SHOWN >= 10
    monkeypatch.setattr("training._labelling.MOST_SHOWN", 2)
    with pytest.raises(Incomplete):
        label_all("label", tasks, path, Here(*(task.spec.drawing for task in tasks[1:])), [])
    assert capsys.readouterr().err.count("failed: ") == 2
    assert (path.parent / "label.failures.txt").read_text().count("\n") == len(tasks) - 1


def test_families_that_are_missing_are_named_after_the_others_are_labelled(tasks: list[Task], path: Path) -> None:
    with pytest.raises(Incomplete, match=r"families are not there: @tiny/badges \(npm is not installed\)"):
        label_all("label", tasks, path, Here(), [ABSENT])
    assert path.read_bytes().count(b"\n") == len(tasks)
