"""Errors of training say what to do, and come out of a worker as they went in."""

import pickle

import pytest

from training.errors import (
    CorpusTooSmall,
    ExportUnfit,
    ExtraMissing,
    FamilyMissing,
    LabelsDamaged,
    LabelsForeign,
    StepMissing,
    TrainingError,
)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(FamilyMissing("@a/b", "npm is not installed"), "put its .tgz into the corpus folder", id="family"),
        pytest.param(LabelsDamaged("runs.parquet", "cut short"), "label again", id="labels"),
        pytest.param(StepMissing("work", "search"), "run `python -m training search` first", id="step"),
        pytest.param(LabelsForeign("labels", "two", "choose another folder"), "choose another folder", id="foreign"),
        pytest.param(ExportUnfit("export", "it has no predictor"), "train again", id="unfit"),
        pytest.param(ExtraMissing("matplotlib", "report"), "pip install 'vecroute[report]'", id="extra"),
        pytest.param(CorpusTooSmall("every image is held out"), "use a larger --scale", id="corpus"),
    ],
)
def test_errors_cross_processes_whole(error: TrainingError, advice: str) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert advice in str(error)
