"""A real daemon learns from reports: how fast its host is, which changes decisions, and whether predictions hold."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import METHODS, RoutingDecision
from tests.daemon.harness import PATIENCE, Daemon, StartDaemon, launch, stop, wait_ready
from tests.daemon.pictures import png
from tests.exports import write_export
from vecroute import Client, image_hash
from vecroute._interface import INTERFACE
from vecroute._varlink import encode_call
from vecroute.errors import InvalidValue

KEY = image_hash(png())
OWN_ERROR = 0.015


def _with_error(info: dict[str, Any]) -> None:
    info["metrics"] = {"mae": OWN_ERROR}


def _models(directory: Path, version: str = "1") -> Path:
    write_export(
        directory / version, forest=False, version=version, created=f"2026-01-0{version}T00:00:00Z", change=_with_error
    )
    return directory


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    settings = {"models": _models(tmp_path / "models"), "watch": "false"}
    one = launch(tmp_path, tmp_path / "router", {**settings, "log_format": "json"})
    wait_ready(one)
    yield one
    stop(one)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline


def _chosen(decision: RoutingDecision) -> RoutingDecision:
    """Return a decision without what tells when and from where it was made."""
    passing = {"cache": "hit", "decided_at": 0.0, "system_load": 0.0, "resource_availability": 0.0}
    return msgspec.structs.replace(decision, **passing)


def _report(client: Client, decision: RoutingDecision, *, times: float, count: int = 25) -> None:
    """Report conversions that took so many times what the decision estimated."""
    for _ in range(count):
        client.report(
            hash=KEY,
            method=decision.primary_method,
            plan=decision.plan,
            quality=decision.estimated_quality,
            seconds=decision.estimated_seconds * times,
            svg_bytes=100,
            predicted_quality=decision.estimated_quality,
        )


def test_a_host_that_reports_itself_three_times_slower_gets_other_plans(daemon: Daemon) -> None:
    with daemon.client() as client:
        status = client.status()
        assert status.speed == dict.fromkeys(METHODS, 1.0)
        finest = client.route(png())
        budget = finest.estimated_seconds * 2
        before = client.route(png(), time_budget=budget)
        assert (before.primary_method, before.plan) == (finest.primary_method, finest.plan)

        _report(client, finest, times=3.0)
        _wait(lambda: (client.status().speed or {})[finest.primary_method] > 2.7)
        speed = client.status().speed
        assert speed is not None
        assert speed[finest.primary_method] == pytest.approx(3.0, rel=0.1)

        after = client.route(png(), time_budget=budget)
        assert (after.primary_method, after.plan) != (before.primary_method, before.plan)
        assert after.estimated_seconds <= budget
        assert after.cache == "hit"  # known is what the image takes elsewhere; the speed acts in the decision
        without = client.route(png(), method=finest.primary_method)
        assert without.plan == finest.plan
        assert without.estimated_seconds == pytest.approx(finest.estimated_seconds * 3, rel=0.1)


def test_the_next_daemon_knows_the_hosts_speed(daemon: Daemon, tmp_path: Path) -> None:
    with daemon.client() as client:
        _report(client, client.route(png()), times=3.0)
    assert daemon.terminate() == 0
    following = launch(tmp_path, daemon.path, {"models": tmp_path / "models", "watch": "false"})
    try:
        wait_ready(following)
        speed = following.status().speed
        assert speed is not None
        assert max(speed.values()) == pytest.approx(3.0, rel=0.1)
    finally:
        stop(following)


def test_readers_of_the_shared_cache_decide_as_the_daemon_does_on_a_slow_host(daemon: Daemon) -> None:
    with daemon.client() as client, daemon.client(shared_cache=True) as local:
        decision = client.route(png())
        _report(client, decision, times=2.6)
        budget = decision.estimated_seconds * 2
        _wait(lambda: client.route(png(), time_budget=budget).plan != decision.plan)
        # Weights fade by the second: two answers are the same if both fall into one, as sooner or later they do.
        _wait(
            lambda: _chosen(local.route(png(), time_budget=budget)) == _chosen(client.route(png(), time_budget=budget))
        )
        ours = local.route(png(), time_budget=budget)
        assert ours.cache == "local"
        assert ours.plan != decision.plan
        given: dict[str, Any] = {"method": ours.primary_method, "plan": ours.plan}
        _wait(lambda: client.predict(png(), **given) == local.predict(png(), **given))
        assert local.predict(png(), **given).seconds == pytest.approx(ours.estimated_seconds, rel=0.01)


def test_the_status_tells_how_true_predictions_are_and_the_alarm_ends_with_the_export(
    daemon: Daemon, tmp_path: Path
) -> None:
    with daemon.client() as client:
        decision = client.route(png())
        assert decision.export is not None

        def report(quality: float, **more: Any) -> None:
            predicted: dict[str, Any] = {"predicted_quality": 0.9, "export_digest": decision.export.digest}  # type: ignore[union-attr]
            client.report(method="ppo", quality=quality, seconds=0.1, svg_bytes=9, **(predicted | more))

        for number in range(60):
            report(0.80 + number % 5 / 100, predicted_quality=0.90 + number % 5 / 100)
        truth = client.status().truth
        assert truth is not None
        assert truth.count == 60
        assert truth.error_limit == pytest.approx(2 * OWN_ERROR)
        assert truth.correlation == pytest.approx(1.0)
        assert truth.mean_absolute_error == pytest.approx(0.1)
        assert truth.bias == pytest.approx(-0.1)
        assert truth.method_errors == {"ppo": pytest.approx(0.1)}
        assert truth.drift is not None
        assert client.status().outcomes.mean_absolute_error == pytest.approx(0.1)

        _models(tmp_path / "models", "2")
        client.reload()
        report(0.5)  # late: by the export before
        fresh = client.status().truth
        assert fresh is not None
        assert (fresh.count, fresh.drift) == (0, None)
        assert client.status().outcomes.count == 61
    events = [json.loads(line) for line in daemon.log.read_text().splitlines()]
    said = [event for event in events if "drift" in event["event"]]
    assert [event["event"] for event in said] == ["predictions drift", "drift alarm ends with its export"]
    assert said[0]["level"] == "warning"
    assert "off by 0.1000 over 50 reports, 0.0300 is allowed" in said[0]["why"]


def test_clients_that_know_nothing_of_this_are_heard(daemon: Daemon) -> None:
    with daemon.connect() as raw:
        given = {"method": "ppo", "quality": 0.9, "seconds": 0.1, "svgBytes": 9, "predictedQuality": 0.8}
        raw.send(encode_call(f"{INTERFACE}.Report", given))
        assert raw.reply().error is None
    truth = daemon.status().truth
    assert truth is not None
    assert truth.count == 1
    assert truth.mean_absolute_error == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"predictedSeconds": 0}, "predictedSeconds"),
        ({"predictedSeconds": -1}, "predictedSeconds"),
        ({"exportDigest": "x" * 500}, "exportDigest"),
        ({"quality": 2}, "quality"),
        ({"method": "magic"}, "method"),
        ({"hash": "zz"}, "hash"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(shared: Daemon, change: dict[str, object], parameter: str) -> None:
    given = {"method": "ppo", "quality": 0.9, "seconds": 0.1, "svgBytes": 9, "predictedQuality": 0.8}
    with shared.connect() as raw:
        reply = raw.call("Report", given | change)
    assert (reply.error or "").endswith(f".{InvalidValue.__name__}")
    assert msgspec.json.decode(reply.parameters)["parameter"] == parameter
    status = shared.status()
    assert status.truth is not None
    assert (status.outcomes.count, status.truth.count) == (0, 0)
    assert status.speed == dict.fromkeys(METHODS, 1.0)


def test_no_report_however_wrong_moves_the_speed_past_its_bounds(start: StartDaemon, tmp_path: Path) -> None:
    daemon = start(models=tmp_path / "none")
    with daemon.client() as client:
        for _ in range(300):
            client.report(method="ppo", quality=0.5, seconds=1e300, svg_bytes=1, predicted_seconds=1e-9)
            client.report(method="performance", quality=0.5, seconds=5e-324, svg_bytes=1, predicted_seconds=1e9)
        _wait(lambda: (client.status().speed or {})["ppo"] > 7)
        speed = client.status().speed
        assert speed is not None
        assert all(1 / 8 <= ratio <= 8 for ratio in speed.values())
        assert client.route(png(), time_budget=0.1).primary_method
