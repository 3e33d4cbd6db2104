"""Errors of the converter say what to do, and come out of a worker as they went in."""

import pickle

import pytest

from converter.errors import ConversionFailed, ConversionTimedOut, ConverterError, ResultTooLarge, SourceUnfit


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(ConversionFailed("VTracer: panic"), "try another method", id="failed"),
        pytest.param(ConversionTimedOut(1.5), "allow more time", id="timed out"),
        pytest.param(ResultTooLarge(3000, 2000), "lower its upscale", id="too large"),
        pytest.param(SourceUnfit("it draws something else"), "put the true one", id="no source"),
    ],
)
def test_errors_cross_processes_whole(error: ConverterError, advice: str) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert advice in str(error)
    assert "\n" not in str(error)
