"""What the daemon is told of a conversion is what it needs to learn from it."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from router import Lane
from tests.daemon.harness import Daemon
from tests.vecroute.builders import DECISION, EXPORT
from vecroute import Client
from vecroute.cli import main
from vecroute.cli._routing import Asker


def test_a_conversion_tells_the_daemon_what_it_needs_to_learn(
    daemon: Daemon, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def compared() -> int:
        truth = daemon.status().truth
        assert truth is not None
        return truth.count

    before = compared()
    assert main(["convert", str(images), "-o", str(tmp_path / "out"), f"--socket={daemon.path}"]) == 0
    assert compared() == before + 2
    assert "did not take" not in capsys.readouterr().err


@pytest.mark.parametrize("lane", ["onnx", "base"])
def test_the_report_names_what_was_predicted_and_by_which_export(tmp_path: Path, lane: Lane) -> None:
    told: dict[str, Any] = {}

    class Told(Client):
        def __getattribute__(self, name: str) -> Any:
            return told.update if name == "report" else super().__getattribute__(name)

    with Asker(tmp_path / "nobody") as asker:
        asker._client = Told(tmp_path / "nobody")
        decision = replace(DECISION, lane=lane)
        asker.report(b"image", decision, quality=0.9, seconds=0.1, svg_bytes=100)
        assert told["predicted_quality"] == (decision.estimated_quality if lane == "onnx" else None)
        assert (told["predicted_seconds"], told["export_digest"]) == (decision.estimated_seconds, EXPORT.digest)
        assert (told["method"], told["plan"]) == (decision.primary_method, decision.plan)
        asker.report(b"", replace(DECISION, export=None, estimated_seconds=0.0), quality=0.9, seconds=0.1, svg_bytes=1)
        assert (told["predicted_seconds"], told["export_digest"]) == (None, None)
