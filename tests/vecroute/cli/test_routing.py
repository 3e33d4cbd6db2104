"""Decisions come from the daemon as long as there is one."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from models import DEFAULT_MODELS
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


def test_without_a_daemon_this_process_learns_how_fast_the_host_is(tmp_path: Path) -> None:
    with Asker(tmp_path / "nobody") as asker:
        elsewhere = asker.route(png(), method="performance").estimated_seconds
        for _ in range(20):
            decision = asker.route(png(), method="performance")
            asker.report(png(), decision, quality=0.9, seconds=3 * elsewhere, svg_bytes=100)
        here = asker.route(png(), method="performance").estimated_seconds
    assert here == pytest.approx(3 * elsewhere, rel=0.1)


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


def test_the_policy_is_that_of_who_decided(
    daemon: Daemon, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[Path, str]]()
    monkeypatch.setattr("models.find_policy", lambda *place: asked.append(place))
    with Asker(daemon.path) as asker:
        decision = asker.route(png())
        assert decision.export is not None
        assert [asker.plan_policy(decision) for _ in range(2)] == [None, None]
        local = msgspec.structs.replace(decision, cache="local")
        assert asker.plan_policy(local) is asker.local.export.policy
    assert asked == [(models, decision.export.digest)]


def test_a_daemon_that_does_not_answer_leaves_the_packaged_policies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[Path]()
    monkeypatch.setattr("models.find_policy", lambda directory, _: asked.append(directory))
    with Asker(tmp_path / "nobody") as asker:
        decided = msgspec.structs.replace(asker.route(png()), cache="miss")
        asker.plan_policy(decided)
        fake = FakeDaemon(tmp_path / "s", [sending(b"")] * 3)
        try:
            asker._client = Client(tmp_path / "s")
            asker.plan_policy(msgspec.structs.replace(decided, export=None))
        finally:
            fake.close()
    assert asked == [DEFAULT_MODELS, DEFAULT_MODELS]
