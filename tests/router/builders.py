"""Small values for the router's tests: a candidate and a prediction in one short call each."""

from router import METHODS, Candidate, Method, Plan, Prediction


def candidate(
    method: Method = "performance",
    quality: float = 0.95,
    seconds: float = 0.05,
    svg_bytes: float = 8_000.0,
    *,
    upscale: int = 1,
    margin: float = 1.0,
    error: float = 0.01,
) -> Candidate:
    """Return a candidate whose upper bounds are `margin` times what is expected."""
    return Candidate(
        method=method,
        plan=Plan(upscale=upscale),
        quality=quality,
        quality_error=error,
        seconds=seconds,
        seconds_high=seconds * margin,
        svg_bytes=svg_bytes,
        svg_bytes_high=svg_bytes * margin,
    )


def prediction(*candidates: Candidate, base: dict[Method, tuple[float, ...]] | None = None) -> Prediction:
    """Return a prediction of the onnx lane."""
    return Prediction(candidates=candidates, lane="onnx", base=base or {}, prediction_seconds=0.001)


def forest(**probabilities: float) -> dict[Method, tuple[float, ...]]:
    """Return base probabilities that are the same in every cell of the grid."""
    return {method: (probabilities.get(method, 0.0),) * 16 for method in METHODS}


# A slow fine one, a middling one and a quick rough one: what most images offer.
FAST = candidate("performance", 0.90, 0.010, 3_000)
MIDDLE = candidate("feature_mapping", 0.96, 0.060, 8_000, upscale=2)
FINE = candidate("regression", 0.98, 0.150, 15_000, upscale=3)
LADDER = (FAST, MIDDLE, FINE)
