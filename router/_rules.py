"""The last line of routing: fixed tables that answer when no model can."""

from router._features import Features
from router._plan import Plan
from router._prediction import BASE_QUALITY, BASE_QUALITY_ERROR, Candidate, Method, single

# How costly a method is to run, as the design's tiers; 2 and above lose score under high load.
METHOD_TIER: dict[Method, int] = {"performance": 0, "feature_mapping": 1, "regression": 2, "ppo": 3}
COSTLY_TIER = 2

# Which method to try first with neither forest nor predictor, by how tight the time budget is (seconds).
RULE_ORDER: tuple[tuple[float, tuple[Method, ...]], ...] = (
    (0.03, ("performance", "feature_mapping", "regression", "ppo")),
    (float("inf"), ("feature_mapping", "regression", "performance", "ppo")),
)

# Seconds = FIXED + PER_PIXEL * (traced pixels), bytes likewise; medians over the labels of 6,630 images, as
# `python -m training train` prints them.
SECONDS_FIXED, SECONDS_PER_PIXEL = 0.0021, 2.43e-7
BYTES_FIXED, BYTES_PER_PIXEL = 1419.0, 0.0251
# The 95th percentile of measured over estimated.
SECONDS_MARGIN, BYTES_MARGIN = 4.6, 15.9
# What a refinement takes, traces and measurements, over its start plan alone (median).
REFINED_TIMES = 3.9
# Area taken for an image of which only features without an area are known: 256 x 256 px.
UNKNOWN_AREA = 65536.0


def rule_order(time_budget: float | None) -> tuple[Method, ...]:
    """Return the methods in the order the rule table tries them."""
    budget = float("inf") if time_budget is None else time_budget
    return next(order for limit, order in RULE_ORDER if budget <= limit)


def base_candidate(method: Method, plan: Plan, features: Features) -> Candidate:
    """Return a candidate with the conservative numbers that need no model."""
    pixels = (features.image_area or UNKNOWN_AREA) * plan.upscale**2
    seconds = (SECONDS_FIXED + SECONDS_PER_PIXEL * pixels) * (REFINED_TIMES if method == "ppo" else 1.0)
    size = BYTES_FIXED + BYTES_PER_PIXEL * pixels
    seconds, seconds_high, size, size_high = single(seconds, seconds * SECONDS_MARGIN, size, size * BYTES_MARGIN)
    return Candidate(
        method=method,
        plan=plan,
        quality=BASE_QUALITY,
        quality_error=BASE_QUALITY_ERROR,
        seconds=seconds,
        seconds_high=seconds_high,
        svg_bytes=size,
        svg_bytes_high=size_high,
    )
