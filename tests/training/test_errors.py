"""Errors of training say what to do, and come out of a worker as they went in."""

import pickle

import pytest

from training.errors import CorpusTooSmall, FamilyMissing, LabelsDamaged, StepMissing, TrainingError


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(FamilyMissing("@a/b", "npm is not installed"), "put its .tgz into the corpus folder", id="family"),
        pytest.param(LabelsDamaged("runs.parquet", "cut short"), "label again", id="labels"),
        pytest.param(StepMissing("work", "search"), "run `python -m training search` first", id="step"),
        pytest.param(CorpusTooSmall("every image is held out"), "use a larger --scale", id="corpus"),
    ],
)
def test_errors_cross_processes_whole(error: TrainingError, advice: str) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert advice in str(error)
