"""router decides: frozen values in, one frozen value out; no clock, no I/O, no globals.

Measuring pixels lives in `router.pixels` and needs numpy; everything here needs msgspec only.
"""

from router._decide import decide
from router._decision import RoutingDecision
from router._features import FEATURE_NAMES, Features, features_from
from router._plan import PLAN_BOUNDS, VTRACER_DEFAULTS, Plan
from router._prediction import (
    GRID_BUDGETS,
    GRID_TARGETS,
    MAX_CANDIDATES,
    METHODS,
    Candidate,
    ExportInfo,
    Lane,
    Method,
    Prediction,
    base_cell,
    single,
)
from router._request import Constraints, Host, Policy, PolicyName
from router._rules import base_candidate
from router._scoring import at_speed

__all__ = [
    "FEATURE_NAMES",
    "GRID_BUDGETS",
    "GRID_TARGETS",
    "MAX_CANDIDATES",
    "METHODS",
    "PLAN_BOUNDS",
    "VTRACER_DEFAULTS",
    "Candidate",
    "Constraints",
    "ExportInfo",
    "Features",
    "Host",
    "Lane",
    "Method",
    "Plan",
    "Policy",
    "PolicyName",
    "Prediction",
    "RoutingDecision",
    "at_speed",
    "base_candidate",
    "base_cell",
    "decide",
    "features_from",
    "single",
]
