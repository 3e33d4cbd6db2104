"""Closing a converter ends the wait of everybody who waits for it, and a killed worker is replaced."""

import os
import signal
from concurrent.futures import CancelledError

import anyio
import pytest

from converter import Converter
from router import Plan
from tests.daemon.harness import wait_until
from tests.daemon.pictures import noise, png


def test_closing_cancels_what_is_under_way() -> None:
    converter = Converter(workers=1)
    pending = [converter.submit(noise(600), Plan(upscale=3)) for _ in range(3)]
    converter.close()
    for one in pending:
        with pytest.raises(CancelledError):
            one.result()


def test_workers_killed_while_idle_are_replaced() -> None:
    data = png()
    with Converter(workers=2) as converter:
        before = converter.convert(data, Plan())
        broken = converter._pool
        for process in tuple(broken._pool_manager.worker_manager.workers):
            os.kill(process, signal.SIGKILL)
        anyio.run(wait_until, lambda: not broken.active)
        assert converter.convert(data, Plan()).svg == before.svg


def test_nothing_is_started_after_closing() -> None:
    converter = Converter(workers=1)
    converter.close()
    with pytest.raises(RuntimeError):
        converter.submit(noise(8), Plan())


def test_closing_twice_is_fine() -> None:
    converter = Converter(workers=1)
    converter.close()
    converter.close()
