"""Values that the tests of the wire and of the clients share."""

from router import ExportInfo, Plan, RoutingDecision
from vecroute._wire import CacheStatus, OutcomeStatus, Status

EXPORT = ExportInfo(name="default", version="2026.11.24", digest="a" * 64, trained_on="logos", metrics={"mae": 0.01})
PLAN = Plan(upscale=2, mode="spline", color_precision=7, length_threshold=3.5)
DECISION = RoutingDecision(
    primary_method="feature_mapping",
    plan=PLAN,
    fallback_methods=("regression", "performance"),
    confidence=0.9,
    reasoning="feature_mapping at 2x is predicted to reach 0.971 in 67 ms and 7.0 kB",
    estimated_quality=0.971,
    estimated_seconds=0.067,
    estimated_svg_bytes=7000.0,
    predicted_qualities={"performance": 0.94, "feature_mapping": 0.971},
    quality_confidence=0.8,
    prediction_seconds=0.0007,
    lane="onnx",
    colab_trained=True,
    local_inference=True,
    fallback_used=False,
    fallback_reason="",
    export=EXPORT,
    policy="constrained",
    system_load=0.25,
    resource_availability=0.5,
    cache="hit",
    decided_at=1764000000.5,
)
STATUS = Status(
    ready=True,
    lane="onnx",
    export=EXPORT,
    cache=CacheStatus(hits=3, misses=1, entries=1, capacity=10),
    requests=4,
    uptime_seconds=1.5,
    version="0.1.0",
    pid=1,
    outcomes=OutcomeStatus(count=1, mean_quality=0.9),
)
