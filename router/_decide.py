"""`decide` chooses among an image's candidates; the same arguments always give the same decision."""

import math

import msgspec

from router._decision import RoutingDecision
from router._prediction import Candidate, Method, Prediction
from router._request import Constraints, Host, Policy, PolicyName
from router._scoring import CERTAIN, SURE, Ranked, at_speed, meets, order_base, order_constrained, order_weighted
from router.errors import InvalidConstraint, RouterError

MOST_FALLBACKS = 3
_ORDER = {"weighted": order_weighted, "constrained": order_constrained}


def decide(
    prediction: Prediction, constraints: Constraints, host: Host = Host(), policy: Policy = Policy()
) -> RoutingDecision:
    """Choose the method and plan to convert an image with.

    Raises:
        RouterError: the prediction holds no candidate.
        InvalidConstraint: the one method asked for offers no plan.
    """
    prediction = _allowed(prediction, constraints.method)
    if host.speed:
        prediction = at_speed(prediction, host.speed)
    name: PolicyName = constraints.policy or policy.name
    predicted = prediction.lane != "base"
    order = _ORDER[name] if predicted else order_base
    ranked = order(prediction, constraints, host, policy)
    score, best, _ = ranked[0]
    reached = _probability_of_target(best, constraints) if predicted else best.quality
    return RoutingDecision(
        primary_method=best.method,
        plan=best.plan,
        fallback_methods=_other_methods(ranked),
        confidence=min(score, 1.0) if name == "weighted" or not predicted else reached,
        reasoning=_reasoning(ranked, prediction, constraints, name, policy),
        estimated_quality=best.quality,
        estimated_seconds=best.seconds,
        estimated_svg_bytes=best.svg_bytes,
        predicted_qualities=_predicted_qualities(ranked) if predicted else {},
        quality_confidence=reached,
        prediction_seconds=prediction.prediction_seconds,
        lane=prediction.lane,
        colab_trained=predicted,
        local_inference=predicted,
        fallback_used=not predicted,
        fallback_reason=prediction.fallback_reason,
        export=prediction.export,
        policy=name,
        system_load=host.system_load,
        resource_availability=host.resource_availability,
        decided_at=host.now,
    )


def _allowed(prediction: Prediction, method: Method | None) -> Prediction:
    """Return the prediction with the candidates a request allows."""
    if not prediction.candidates:
        raise RouterError("the prediction holds no candidate; predict with at least one method")
    if method is None:
        return prediction
    own = tuple(c for c in prediction.candidates if c.method == method)
    if not own:
        offered = dict.fromkeys(c.method for c in prediction.candidates)
        raise InvalidConstraint("method", method, f"one that the export offers: {', '.join(offered)}")
    return msgspec.structs.replace(prediction, candidates=own)


def _other_methods(ranked: list[Ranked]) -> tuple[Method, ...]:
    _, *others = dict.fromkeys([candidate.method for _, candidate, _ in ranked])
    return tuple(others[:MOST_FALLBACKS])


def _predicted_qualities(ranked: list[Ranked]) -> dict[Method, float]:
    """Return each method's best quality within the budgets, or of its fastest plan where none fits."""
    best: dict[Method, tuple[bool, float, float]] = {}
    for _, c, odds in ranked:
        rank = (True, c.quality, c.quality) if odds >= CERTAIN else (False, -c.seconds, c.quality)
        if c.method not in best or rank > best[c.method]:
            best[c.method] = rank
    return {method: quality for method, (_, _, quality) in best.items()}


def _probability_of_target(candidate: Candidate, constraints: Constraints) -> float:
    """Return how likely the target is met; errors are taken as Laplace-distributed about their known mean."""
    if constraints.quality_target is None:
        return max(0.0, 1.0 - candidate.quality_error)
    gap = (candidate.quality - constraints.quality_target) / max(candidate.quality_error, 1e-6)
    tail = 0.5 * math.exp(-min(abs(gap), 700.0))
    return 1.0 - tail if gap >= 0 else tail


def _reasoning(
    ranked: list[Ranked], prediction: Prediction, constraints: Constraints, name: PolicyName, policy: Policy
) -> str:
    """Return one sentence built from the numbers."""
    _, best, _ = ranked[0]
    if prediction.lane == "base":
        why = prediction.fallback_reason or "no predictor serves"
        by = "the forest" if prediction.base else "the rule table"
        return (
            f"fallback to base routing ({why}): {by} picks {best.method} at {best.plan.upscale}x, "
            f"quality taken as {best.quality:.2f}, about {_time(best.seconds)}"
        )
    said = f"{best.method} at {best.plan.upscale}x is predicted to reach {best.quality:.3f}"
    said += f" in {_time(best.seconds)} and {best.svg_bytes / 1000:.1f} kB"
    verdict = "the best weighted score" if name == "weighted" else _verdict(ranked, constraints, policy)
    count = len(ranked)
    return f"{said}: {verdict} of {count} candidate{'s' if count > 1 else ''}"


def _verdict(ranked: list[Ranked], constraints: Constraints, policy: Policy) -> str:
    _, best, odds = ranked[0]
    fitting = [candidate.quality for _, candidate, kept in ranked if kept >= CERTAIN]
    limits = []
    if constraints.time_budget is not None:
        limits.append(_time(constraints.time_budget))
    if constraints.svg_budget is not None:
        limits.append(f"{constraints.svg_budget / 1000:.1f} kB")
    within = f" within {' and '.join(limits)}" if limits else ""
    if odds < CERTAIN:
        if fitting:
            return f"promises most{within}, with a chance of {odds:.0%}"
        return f"nothing surely fits{within}, so the nearest to it"
    target = constraints.quality_target
    if target is not None and odds >= SURE and meets(best, constraints, policy):
        return f"the cheapest that meets {target:.3f}{within}"
    if best.quality >= max(fitting):
        said = "the best quality"
    elif constraints.time_budget is None:
        said = "the best of quality and cost"
    else:
        said = "the best of quality and safety"
    if target is None:
        return f"{said}{within}"
    return f"{said}{within} ({target:.3f} is {'not certain' if best.quality >= target else 'out of reach'})"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
