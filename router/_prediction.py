"""A prediction is what the models say about one image: up to eight candidates with numbers, and base probabilities."""

from array import array
from typing import Literal, get_args

import msgspec

from router._plan import Plan

Method = Literal["performance", "feature_mapping", "regression", "ppo"]
METHODS: tuple[Method, ...] = get_args(Method)
Lane = Literal["onnx", "torchscript", "base"]

MAX_CANDIDATES = 8
# What base routing promises when no predictor has spoken: deliberately low (design: the decision).
BASE_QUALITY = 0.85
BASE_QUALITY_ERROR = 0.1

# The forest is asked once per image for each cell of this grid, so that a cached prediction answers any request.
GRID_TARGETS: tuple[float | None, ...] = (0.90, 0.95, 0.98, None)
GRID_BUDGETS: tuple[float | None, ...] = (0.03, 0.1, 0.3, None)


def base_cell(quality_target: float | None, time_budget: float | None) -> int:
    """Return the grid cell of a request: the next target up and the next budget down, never a kinder one."""
    row = next((i for i, t in enumerate(GRID_TARGETS) if t is None or (quality_target or 2.0) <= t), 0)
    if time_budget is None:
        return row * len(GRID_BUDGETS) + len(GRID_BUDGETS) - 1
    limits = [b for b in GRID_BUDGETS if b is not None]
    column = max((i for i, b in enumerate(limits) if b <= time_budget), default=0)
    return row * len(GRID_BUDGETS) + column


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A method with one of its plans and what it is predicted to reach.

    `quality` 0..1 with `quality_error` (expected absolute error); `seconds` from decoded pixels to SVG text on an
    idle host, `svg_bytes` the length of that text; the `_high` twins are upper bounds kept in about 95 % of cases.
    """

    method: Method
    plan: Plan
    quality: float
    quality_error: float
    seconds: float
    seconds_high: float
    svg_bytes: float
    svg_bytes_high: float


def single(*numbers: float) -> list[float]:
    """Return numbers in single precision.

    The shared cache holds a prediction's numbers so, and who decides from there must decide exactly as who predicted.
    """
    return array("f", numbers).tolist()


class ExportInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which export made a prediction."""

    name: str
    version: str
    digest: str
    verified: bool = True
    trained_on: str = ""
    metrics: dict[str, float] = {}


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `decide` needs to know of an image; valid for any target and budget, so it can be cached.

    `base` maps each method to the forest's probability that it is the best, one number per cell of the request grid
    (`base_cell`); empty when only the rule table is left. `lane` is `base` when no predictor scored the candidates.
    """

    candidates: tuple[Candidate, ...]
    base: dict[Method, tuple[float, ...]] = {}
    lane: Lane = "base"
    late: bool = False
    prediction_seconds: float = 0.0
    export: ExportInfo | None = None
    fallback_reason: str = ""
