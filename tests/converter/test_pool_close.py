"""Closing a converter ends the wait of everybody who waits for it."""

from concurrent.futures import CancelledError

import pytest

from converter import Converter
from router import Plan
from tests.daemon.pictures import noise


def test_closing_cancels_what_is_under_way() -> None:
    converter = Converter(workers=1)
    pending = [converter.submit(noise(600), Plan(upscale=3)) for _ in range(3)]
    converter.close()
    for one in pending:
        with pytest.raises(CancelledError):
            one.result()


def test_closing_twice_is_fine() -> None:
    converter = Converter(workers=1)
    converter.close()
    converter.close()
