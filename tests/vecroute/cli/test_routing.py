"""Decisions come from the daemon as long as there is one."""

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.harness import Daemon
from tests.daemon.pictures import png
from tests.vecroute.fake_daemon import FakeDaemon, sending
from vecroute import Client
from vecroute.cli._routing import Asker
from vecroute.errors import ClientClosed, DaemonUnavailable


def test_the_daemon_is_asked_and_told(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    before = daemon.status().outcomes.count
    data = png((30, 30))
    with Asker(daemon.path) as asker:
        decision = asker.route(data, quality_target=0.9)
        asker.report(data, decision, quality=0.9, seconds=0.1, svg_bytes=100)
        assert asker.by_daemon
    assert (decision.cache, decision.lane) == ("miss", "onnx")
    assert daemon.status().outcomes.count == before + 1
    assert capsys.readouterr() == ("", "")


def test_without_a_daemon_this_process_decides_and_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Asker(tmp_path / "nobody") as asker:
        decisions = [asker.route(png()) for _ in range(2)]
        asker.report(png(), decisions[0], quality=0.9, seconds=0.1, svg_bytes=100)
        assert not asker.by_daemon
    assert [(d.cache, d.lane) for d in decisions] == [("local", "onnx")] * 2
    said = capsys.readouterr().err
    assert said.count("deciding in this process") == 1
    assert "start one with `vecroute serve`" in said


def test_a_daemon_that_goes_away_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeDaemon(tmp_path / "s", [sending(b"")] * 3)
    try:
        with Asker(tmp_path / "s") as asker:
            assert asker.route(png()).cache == "local"
    finally:
        fake.close()
    assert "deciding in this process" in capsys.readouterr().err


def test_a_thread_that_still_holds_the_client_another_left_decides_here(tmp_path: Path) -> None:
    """Two threads find out at the same time: one closes the client that the other is about to ask."""

    class LeftMeanwhile(Client):
        def __getattribute__(self, name: str) -> Any:
            if name in ("route", "report"):
                asker._leave(self, DaemonUnavailable(tmp_path, "gone"))
            return super().__getattribute__(name)

    with Asker(tmp_path / "nobody") as asker:
        asker._client = LeftMeanwhile(tmp_path / "nobody")
        decision = asker.route(png())
        assert decision.cache == "local"
        asker._client = LeftMeanwhile(tmp_path / "nobody")
        asker.report(png(), decision, quality=0.9, seconds=0.1, svg_bytes=100)
        assert not asker.by_daemon


def test_a_closed_asker_asks_nobody(tmp_path: Path) -> None:
    with Asker(tmp_path / "nobody") as asker:
        pass
    with pytest.raises(ClientClosed):
        asker.route(png())


def test_unsafe_socket_directory_is_told_and_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vecroute._paths import UnsafeDirectory

    def refuse() -> Path:
        raise UnsafeDirectory(tmp_path)

    monkeypatch.setattr("vecroute._client.default_socket", refuse)
    with Asker() as asker:
        assert asker.route(png()).cache == "local"
    assert "mode 0700" in capsys.readouterr().err


def test_broken_exports_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "model_info.json").write_text("{")
    with Asker(tmp_path / "nobody", models=tmp_path / "models") as asker:
        assert asker.route(png()).lane == "base"
    assert "broken" in capsys.readouterr().err
