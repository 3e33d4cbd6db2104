"""The step `ppo`: from labels and a fitted export to a policy that the export offers; resumable, unattended."""

import shutil
from pathlib import Path

import msgspec
import pytest

from models import load_export
from router import Features
from training import _policy
from training._labelfile import read_labels
from training._parquet import write_tables
from training._policy import merged, train_ppo
from training._policyfile import read_policy
from training._run import Label
from training._steps import Work
from training.errors import CorpusTooSmall, StepMissing


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "training._policy.STEPS": 64,
        "training._policy.ENVIRONMENTS": 8,
        "training._policy.PROBED_IMAGES": 2,
        "training._policy.PROBES": 3,
        "training._ppo.BATCH": 32,
        "training._simulator.ROUNDS": 4,
        "training._simulator.FITTED_LOOKS": 8,
    }.items():
        monkeypatch.setattr(name, value)


@pytest.fixture
def work(corpus: Path, fitted: Path, tmp_path: Path) -> Work:
    shutil.copytree(fitted, tmp_path / "work" / "fitted")
    return Work(
        corpus=corpus,
        folder=tmp_path / "work",
        labels=tmp_path / "labels",
        export=tmp_path / "export",
        workers=1,
        scale=1.0,
    )


def write(path: Path, labels: list[Label]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in labels))


def test_it_leaves_a_policy_and_the_fitted_export_offers_it(
    work: Work, searched: list[Label], capsys: pytest.CaptureFixture[str]
) -> None:
    write(work.searched, searched)
    before = load_export(work.fitted, defaults=None)
    train_ppo(work)
    assert len(list(read_labels(work.probed))) == 2
    policy = read_policy(work.policy)
    assert policy is not None
    export = load_export(work.fitted, defaults=None)
    assert (export.problems, before.policy) == ((), None)
    assert export.policy is not None
    assert export.policy.data == policy.onnx
    features = Features(image_area=2500.0, aspect_ratio=1.0)
    regression = [plan for method, plan in before.candidates(features) if method == "regression"]
    assert [plan for method, plan in export.candidates(features) if method == "regression"] == regression
    assert "images," in capsys.readouterr().err

    probes = work.probed.read_bytes()
    train_ppo(work)
    assert work.probed.read_bytes() == probes
    assert read_policy(work.policy) == policy


def test_finished_tables_do_as_well_as_labels_under_way(work: Work, searched: list[Label]) -> None:
    write_tables(work.labels, {"search": searched})
    train_ppo(work)
    assert read_policy(work.policy) is not None


def test_without_a_regressor_or_labels_it_says_what_to_run_first(work: Work) -> None:
    with pytest.raises(StepMissing, match="training search"):
        train_ppo(work)
    shutil.rmtree(work.fitted)
    with pytest.raises(StepMissing, match="training fit"):
        train_ppo(work)


def test_only_training_images_with_enough_runs_are_learnt_from(searched: list[Label], labelled: list[Label]) -> None:
    found = merged([*searched, *labelled, *searched])
    assert {one.spec.split for one in found} == {"train"}
    assert len({one.key for one in found}) == len(found)
    twice = next(one for one in found if one.key == searched[0].key)
    assert len(twice.runs) >= 2 * len(searched[0].runs)
    assert all(len(one.runs) >= _policy.LEAST_RUNS for one in found)
    with pytest.raises(CorpusTooSmall, match="enough runs"):
        merged([msgspec.structs.replace(one, runs=one.runs[:1]) for one in searched])
