"""A decision is what the caller gets back: the plan to run, what to expect of it, and why."""

from typing import Literal

import msgspec

from router._plan import Plan
from router._prediction import ExportInfo, Lane, Method

CacheUse = Literal["hit", "miss", "local"]


class RoutingDecision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The chosen method and plan with estimates and reasons.

    `estimated_quality`, `quality_confidence` (probability that the target is met) and `confidence` lie in 0..1;
    `estimated_seconds` and `prediction_seconds` are seconds; `decided_at` is Unix time. `predicted_qualities` gives
    each method's best candidate that fits the budgets, and is empty on lane `base`.
    """

    primary_method: Method
    plan: Plan
    fallback_methods: tuple[Method, ...]
    confidence: float
    reasoning: str
    estimated_quality: float
    estimated_seconds: float
    estimated_svg_bytes: float
    predicted_qualities: dict[Method, float]
    quality_confidence: float
    prediction_seconds: float
    lane: Lane
    colab_trained: bool
    local_inference: bool
    fallback_used: bool
    fallback_reason: str
    export: ExportInfo | None
    policy: Literal["weighted", "constrained"]
    system_load: float
    resource_availability: float
    cache: CacheUse = "miss"
    decided_at: float = 0.0
