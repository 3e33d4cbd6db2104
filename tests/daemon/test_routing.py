"""Routing through the daemon: the same decision as in process, every way of giving an image, and base routing."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from models import DEFAULT_MODELS, HybridRouter
from router import Plan, RoutingDecision
from tests.daemon.harness import Daemon, StartDaemon, launch, stop, wait_ready
from tests.daemon.pictures import noise, png
from tests.exports import slow_predictor, write_export
from vecroute import image_hash
from vecroute.errors import UnknownImage

EXAMPLES = sorted(p for p in (Path(__file__).parents[2] / "examples").iterdir() if p.suffix != ".md")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("models") / "export")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("daemon")
    one = launch(directory, directory / "router", {"models": models})
    wait_ready(one)
    yield one
    stop(one)


@pytest.fixture(scope="module")
def in_process(models: Path) -> HybridRouter:
    return HybridRouter(models)


def _chosen(decision: RoutingDecision) -> RoutingDecision:
    """Return a decision without what tells when, where and from where it was made."""
    return msgspec.structs.replace(
        decision, cache="local", decided_at=0.0, prediction_seconds=0.0, system_load=0.0, resource_availability=1.0
    )


WISHES: list[dict[str, object]] = [
    {},
    {"quality_target": 0.95, "time_budget": 0.05},
    {"time_budget": 0.2, "svg_budget": 20_000, "policy": "weighted"},
    {"quality_target": 0.99, "preferred": ["performance"], "avoided": ["regression"], "policy": "weighted"},
]


@pytest.mark.parametrize("wish", WISHES, ids=["none", "tight", "size", "preferences"])
def test_the_daemon_decides_exactly_as_the_router_in_process(
    daemon: Daemon, in_process: HybridRouter, wish: dict[str, object]
) -> None:
    with daemon.client() as client:
        for path in EXAMPLES:
            theirs = client.route(path, **wish)  # type: ignore[arg-type] # a table of wishes
            ours = in_process.route(path, **wish)  # type: ignore[arg-type]
            assert _chosen(theirs) == _chosen(ours), path.name


def test_with_the_packaged_export_both_decide_the_same(start: StartDaemon) -> None:
    daemon, in_process = start(models=DEFAULT_MODELS), HybridRouter()
    with daemon.client() as client:
        for path in EXAMPLES:
            assert _chosen(client.route(path)) == _chosen(in_process.route(path)), path.name


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_features_of_the_callers_own_decide_as_in_process(daemon: Daemon, in_process: HybridRouter) -> None:
    features = {"unique_colors": 5.0, "imageArea": 40_000.0, "entropy": 1.5}
    with daemon.client() as client:
        theirs = client.route(features=features, quality_target=0.9)
    assert theirs.lane == "onnx"
    assert _chosen(theirs) == _chosen(in_process.route(features, quality_target=0.9))


def test_an_image_may_come_as_file_bytes_content_or_hash(daemon: Daemon, tmp_path: Path) -> None:
    data = png((30, 20))
    (tmp_path / "logo.png").write_bytes(data)
    with daemon.client() as client, daemon.connect() as raw:
        first = client.route(tmp_path / "logo.png")
        assert client.route(data).cache == "hit"
        assert client.route(hash=image_hash(data).hex()).cache == "hit"
        reply = msgspec.json.decode(raw.call("Route", {"content": data}).parameters)
    assert first.cache == "miss"
    assert reply["decision"]["cache"] == "hit"
    assert reply["hash"] == image_hash(data).hex()


def test_content_too_large_for_the_loop_is_hashed_in_a_thread(daemon: Daemon) -> None:
    data = noise(600)
    assert len(data) > 256 * 1024
    with daemon.connect() as raw:
        first, again = (msgspec.json.decode(raw.call("Route", {"content": data}).parameters) for _ in range(2))
    assert (first["decision"]["cache"], again["decision"]["cache"]) == ("miss", "hit")
    assert again["hash"] == image_hash(data).hex()


def test_the_file_offset_of_the_client_does_not_matter(daemon: Daemon) -> None:
    number = os.memfd_create("image")
    os.write(number, png((31, 20)))
    with daemon.connect() as raw:
        assert raw.call("Route", {"fileDescriptor": 0}, number).error is None
    assert os.lseek(number, 0, os.SEEK_CUR) == len(png((31, 20)))
    os.close(number)


def test_one_plan_is_predicted_as_the_export_does(daemon: Daemon, in_process: HybridRouter) -> None:
    from router.pixels import sample

    plan, data = Plan(upscale=2, mode="spline"), png((40, 40))
    expected = in_process.export.predict_plan(sample(data), "performance", plan)
    with daemon.client() as client:
        reply = client.predict(data, method="performance", plan=plan)
    assert (reply.quality, reply.seconds, reply.lane) == (expected.quality, expected.seconds, "onnx")


def test_by_hash_only_plans_of_the_decision_are_predicted(daemon: Daemon) -> None:
    data = png((41, 40))
    with daemon.client() as client:
        decision = client.route(data)
        key = image_hash(data).hex()
        reply = client.predict(hash=key, method=decision.primary_method, plan=decision.plan)
        assert reply.quality == decision.estimated_quality
        with pytest.raises(UnknownImage, match="send the image itself"):
            client.predict(hash=key, method="performance", plan=Plan(upscale=7))
        with pytest.raises(UnknownImage, match="send the image itself"):
            client.predict(hash=key, method="performance", plan=decision.plan)


def test_a_plan_is_predicted_from_features_alone(daemon: Daemon) -> None:
    with daemon.client() as client:
        assert client.predict(features={"entropy": 1.0}, method="performance", plan=Plan()).lane == "onnx"


def test_reported_outcomes_are_counted(daemon: Daemon) -> None:
    with daemon.client() as client:
        client.report(method="performance", quality=0.9, seconds=0.1, svg_bytes=900, predicted_quality=0.8)
        outcomes = client.status().outcomes
    assert outcomes.count == 1
    assert outcomes.mean_absolute_error == pytest.approx(0.1)


def test_without_an_export_base_routing_decides_and_says_so(shared: Daemon) -> None:
    with shared.client() as client:
        decision = client.route(png())
        status = client.status()
    assert (decision.lane, decision.fallback_used, decision.predicted_qualities) == ("base", True, {})
    assert decision.estimated_quality == pytest.approx(0.85)
    assert "fallback to base routing" in decision.reasoning
    assert "no export in" in str(status.export_problem)
    assert status.fallbacks >= 1


def test_with_a_broken_predictor_base_routing_decides_and_the_status_says_why(
    start: StartDaemon, tmp_path: Path
) -> None:
    write_export(
        tmp_path / "models", forest=False, regressor=False, golden=False, files={"quality_predictor.onnx": b"x"}
    )
    daemon = start(models=tmp_path / "models")
    with daemon.client() as client:
        decision = client.route(png())
    assert (decision.lane, decision.fallback_used) == ("base", True)
    assert "onnx" in decision.fallback_reason
    assert "onnx" in str(daemon.status().export_problem)


def test_a_late_prediction_is_replaced_and_the_next_request_tries_again(start: StartDaemon, tmp_path: Path) -> None:
    write_export(
        tmp_path / "models",
        forest=False,
        regressor=False,
        golden=False,
        files={"quality_predictor.onnx": slow_predictor(4)},
    )
    daemon = start(models=tmp_path / "models", prediction_deadline=0.02)
    with daemon.client() as client:
        decisions = [client.route(png()) for _ in range(2)]
        status = client.status()
    assert [(d.lane, d.cache) for d in decisions] == [("base", "miss")] * 2
    assert decisions[0].fallback_reason == "the prediction took longer than 20 ms"
    assert status.lane == "onnx"  # it still serves: only these requests were too late
    assert status.cache.entries == 0
