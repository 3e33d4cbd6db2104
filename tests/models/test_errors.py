"""Every error is an ExportError or a PredictionError and says in one line what to do."""

from pathlib import Path

import pytest

from models import errors

HERE = Path("somewhere")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(errors.ManifestMissing(HERE, "Permission denied"), "an export needs one", id="no manifest"),
        pytest.param(errors.ManifestInvalid(HERE, "no inputs"), "export again", id="bad manifest"),
        pytest.param(errors.UnknownFormat(HERE, 2, 1), "this version reads format 1", id="format"),
        pytest.param(errors.UnknownFeature(HERE, "smell", "forest"), "'smell'", id="feature"),
        pytest.param(errors.FileMissing(HERE, "a.onnx", "gone"), "copy the whole export again", id="missing"),
        pytest.param(errors.FileDamaged(HERE, "a.onnx", "its SHA-256"), "copy it again", id="damaged"),
        pytest.param(errors.StagingFailed(HERE, "disk full"), "free some space", id="staging"),
        pytest.param(errors.GoldenMismatch(HERE, "onnx", 0.3, 1e-4), "differ by 0.3, allowed is 0.0001", id="golden"),
        pytest.param(errors.RoleFailed(HERE, "base_forest", "bad"), "export again", id="role"),
        pytest.param(errors.ExportUnverified(HERE, "no hash for a.pt"), "export again with both", id="unverified"),
    ],
)
def test_export_errors_name_the_directory_and_the_remedy(error: errors.ExportError, words: str) -> None:
    assert str(error).startswith("somewhere: ")
    assert str(error).endswith(error.reason)
    assert words in error.reason
    assert "\n" not in error.reason
