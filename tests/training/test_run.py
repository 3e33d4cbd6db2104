"""What a task does: every plan measured, and what cannot be run is listed."""

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest

from converter import quality, run_plan
from converter._fixed import FIXED
from router.formulas import ladder
from router.pixels import decode, premultiplied, thumbnail
from tests.training.conftest import small_specs
from tests.training.corpora import TRAINED
from tests.training.workers import figures
from training import _plans
from training._corpus import drawings
from training._explore import found_best
from training._images import draw
from training._plans import write_elites
from training._run import THUMBNAIL, Label, Run, Task, label


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
    assert origins.count("feature_mapping") == 2
    assert origins.count("regression") == 4


def test_an_image_is_searched_at_each_of_its_steps(explored: list[Label]) -> None:
    for one in explored:
        assert {run.origin for run in one.runs} == {"explored"}
        assert Counter(run.plan.upscale for run in one.runs) == dict.fromkeys(ladder(one.features), 3)


def test_random_plans_lie_near_those_that_search_found(
    explored: list[Label], tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_plans, "WILD", 0.0)
    monkeypatch.setattr(_plans, "MUTATION", 0.0)
    write_elites(tmp_path, found_best(explored))
    best = {plan for one in found_best(explored) for plan in one.plans}
    near, wild = (
        label(msgspec.structs.replace(tasks[0], fixed=(), random_plans=2, elites=elites)) for elites in (tmp_path, None)
    )
    assert {run.plan for run in near.runs} <= best
    assert not {run.plan for run in wild.runs} & best


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


def test_seconds_are_processor_time(searched: list[Label]) -> None:
    runs: list[Run] = [run for one in searched for run in one.runs]
    assert np.median([run.seconds / run.wall_seconds for run in runs]) < 1.1
