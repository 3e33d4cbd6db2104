"""Runs in workers: every plan measured, one line an image, nothing done is lost, and one that dies is listed."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from converter import quality, run_plan
from converter._fixed import FIXED
from router.pixels import decode, premultiplied, thumbnail
from tests.training.conftest import SEED, small_specs
from tests.training.corpora import TRAINED
from tests.training.workers import DOOMED, PANICKING, figures, label_or_die
from training._corpus import drawings
from training._images import draw
from training._run import THUMBNAIL, Label, Run, Task, label, read_labels, run_all
from training.errors import LabelsDamaged


@pytest.fixture
def tasks(corpus: Path) -> list[Task]:
    return [
        Task(spec=s, random_plans=1, fixed=("fixed_1x",), corpus=corpus, seed=SEED) for s in small_specs(TRAINED, 6)
    ]


def test_a_label_holds_what_running_its_plans_by_hand_gives(searched: list[Label], corpus: Path) -> None:
    one = searched[0]
    data = draw(one.spec, drawings(corpus / TRAINED.archive, TRAINED.package)[one.spec.drawing])
    pixels = decode(data)
    assert one.key == one.spec.key
    assert one.features.file_size == len(data)
    seen = np.frombuffer(one.thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL, 4)
    assert np.array_equal(seen, thumbnail(premultiplied(pixels), THUMBNAIL))
    for run in one.runs:
        svg = run_plan(pixels, run.plan).svg
        assert run.quality == pytest.approx(quality(svg, pixels))
        assert (run.svg_bytes, run.path_count) == (len(svg), svg.count("<path "))
        assert run.seconds > 0 < run.wall_seconds


def test_fixed_and_random_plans_and_candidates_are_run(labelled: list[Label]) -> None:
    origins = [run.origin for run in labelled[0].runs]
    assert origins[: len(FIXED)] == list(FIXED)
    assert origins[-2:] == ["random", "random"]
    assert origins.count("performance") == 1
    assert origins.count("regression") == 4


def test_large_fixed_plans_are_run_only_where_the_router_is_judged(corpus: Path) -> None:
    large = msgspec.structs.replace(small_specs(TRAINED, 1)[0], longest=900, grade="clean", split="train")
    fixed = [run.origin for run in label(Task(spec=large, corpus=corpus)).runs]
    assert "fixed_1x" in fixed
    assert "fixed_3x" not in fixed


def test_a_plan_that_fails_is_listed_and_the_others_are_kept(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converter._preprocess.MOST_TRACED_PIXELS", 3 * 40 * 40)
    found = label(Task(spec=small_specs(TRAINED, 1)[0], corpus=corpus))
    assert {run.origin for run in found.runs} == {"defaults", "fixed_1x"}
    assert [line.split(":")[0] for line in found.failures] == ["fixed_2x", "fixed_3x"]


def test_labelling_twice_gives_the_same_but_for_the_seconds(tasks: list[Task]) -> None:
    one, other = label(tasks[0]), label(tasks[0])
    assert [figures(run) for run in one.runs] == [figures(run) for run in other.runs]
    assert (one.features, one.thumbnail) == (other.features, other.thumbnail)


def test_what_is_done_is_never_done_again(tasks: list[Task], tmp_path: Path) -> None:
    path, seen = tmp_path / "deep" / "label.jsonl", list[Label | str]()
    assert run_all(tasks[:2], path, workers=1, progress=seen.append) == (2, [])
    before = path.read_bytes()
    assert run_all(tasks, path, workers=2, progress=seen.append) == (len(tasks) - 2, [])
    assert path.read_bytes().startswith(before)
    assert {one.key for one in read_labels(path)} == {task.spec.key for task in tasks}
    assert len(seen) == len(tasks)
    assert run_all(tasks, path, workers=2, progress=seen.append) == (0, [])


def test_a_half_written_last_line_is_dropped_and_run_again(tasks: list[Task], tmp_path: Path) -> None:
    path = tmp_path / "label.jsonl"
    run_all(tasks[:2], path, workers=1, progress=lambda _: None)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert len(list(read_labels(path))) == 1
    assert run_all(tasks[:2], path, workers=1, progress=lambda _: None) == (1, [])
    assert [one.key for one in read_labels(path)] == [task.spec.key for task in tasks[:2]]


def test_a_file_of_one_half_line_starts_afresh(tasks: list[Task], tmp_path: Path) -> None:
    path = tmp_path / "label.jsonl"
    path.write_bytes(b'{"key": "ab')
    assert list(read_labels(path)) == []
    assert run_all(tasks[:1], path, workers=1, progress=lambda _: None) == (1, [])
    assert len(list(read_labels(path))) == 1


def test_no_file_holds_no_labels(tmp_path: Path) -> None:
    assert list(read_labels(tmp_path / "absent")) == []


def test_a_damaged_line_is_told_with_its_number(searched: list[Label], tmp_path: Path) -> None:
    path = tmp_path / "label.jsonl"
    path.write_bytes(msgspec.json.encode(searched[0]) + b"\n" + b'{"key": 1}\n')
    with pytest.raises(LabelsDamaged, match="line 2"):
        list(read_labels(path))


def test_a_worker_that_dies_on_an_image_is_listed_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tasks: list[Task]
) -> None:
    """One is killed for real, one panics; run again, only those two are tried."""
    doomed = [
        msgspec.structs.replace(task, spec=msgspec.structs.replace(task.spec, drawing=drawing))
        for task, drawing in zip(tasks, (DOOMED, PANICKING, "shape-0", "shape-1", "shape-2", "shape-5"), strict=True)
    ]
    path, seen = tmp_path / "label.jsonl", list[Label | str]()
    monkeypatch.setattr("training._run.label", label_or_die)
    done, failures = run_all(doomed, path, workers=2, progress=seen.append)
    assert done == len(doomed) - 2
    assert sorted(line.split(" at ")[0] for line in failures) == [f"shapes/{DOOMED}", f"shapes/{PANICKING}"]
    assert sum(isinstance(one, str) for one in seen) == 2
    monkeypatch.undo()
    assert run_all(doomed, path, workers=2, progress=seen.append) == (2, [])


def test_seconds_are_processor_time(searched: list[Label]) -> None:
    runs: list[Run] = [run for one in searched for run in one.runs]
    assert np.median([run.seconds / run.wall_seconds for run in runs]) < 1.1
