"""What the caller wants (constraints), how the host is (host) and how to weigh it (policy)."""

import math
from typing import Literal, get_args

import msgspec

from router._prediction import METHODS, Method
from router.errors import InvalidConstraint

PolicyName = Literal["weighted", "constrained"]


class Constraints(msgspec.Struct, frozen=True, kw_only=True):
    """What one request asks for; every field may be left out.

    `quality_target` in (0, 1] (SSIM, see the design's section on quality); `time_budget` seconds > 0; `svg_budget`
    bytes > 0; `preferred` and `avoided` methods, disjoint; `method` allows that one alone; `policy` overrides the
    configured one.

    Raises:
        InvalidConstraint: a value outside its range, an unknown method or policy.
    """

    quality_target: float | None = None
    time_budget: float | None = None
    svg_budget: int | None = None
    preferred: frozenset[Method] = frozenset()
    avoided: frozenset[Method] = frozenset()
    policy: PolicyName | None = None
    method: Method | None = None

    def __post_init__(self) -> None:
        if self.quality_target is not None and not 0 < self.quality_target <= 1:
            raise InvalidConstraint("quality_target", self.quality_target, "a number above 0 and up to 1")
        if self.time_budget is not None and not (self.time_budget > 0 and math.isfinite(self.time_budget)):
            raise InvalidConstraint("time_budget", self.time_budget, "seconds above 0")
        if self.svg_budget is not None and not self.svg_budget > 0:
            raise InvalidConstraint("svg_budget", self.svg_budget, "bytes above 0")
        if self.policy not in (None, *get_args(PolicyName)):
            raise InvalidConstraint("policy", self.policy, "weighted or constrained")
        if self.method is not None and self.method not in METHODS:
            raise InvalidConstraint("method", self.method, f"one of {', '.join(METHODS)}")
        for name in ("preferred", "avoided"):
            if unknown := sorted(set(getattr(self, name)) - set(METHODS)):
                raise InvalidConstraint(name, unknown[0], f"methods out of {', '.join(METHODS)}")
        if both := sorted(self.preferred & self.avoided):
            raise InvalidConstraint("preferred", both[0], "a method that is not avoided at the same time")


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The host as a decision sees it: `system_load` and `resource_availability` 0..1, `now` Unix seconds.

    `speed` tells how many times as long as predicted each of METHODS takes here, in their order: 2.0 on a host half as
    fast as the one that labels were measured on. Empty: as long as predicted.
    """

    system_load: float = 0.0
    resource_availability: float = 1.0
    now: float = 0.0
    speed: tuple[float, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How candidates are weighed. The weights sum to 1.

    `caution` is how many expected errors a candidate's quality must lie above the target before `constrained`
    believes that it meets it. `thrift` is the quality that a second, or 100 kB of SVG, must buy where no time budget
    is given, a quarter of that below a target; 0 takes the best whatever it costs.

    Raises:
        InvalidConstraint: weights that do not sum to 1 or are negative, an unknown name, a negative caution or thrift.
    """

    name: PolicyName = "constrained"
    base_weight: float = 0.3
    quality_weight: float = 0.5
    time_weight: float = 0.2
    caution: float = 1.0
    thrift: float = 0.01
    high_load: float = 0.8

    def __post_init__(self) -> None:
        weights = (self.base_weight, self.quality_weight, self.time_weight)
        if min(weights) < 0 or not abs(sum(weights) - 1) <= 1e-6:
            raise InvalidConstraint("weights", weights, "three numbers of at least 0 that sum to 1")
        if self.name not in get_args(PolicyName):
            raise InvalidConstraint("policy", self.name, "weighted or constrained")
        for name in ("caution", "thrift"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidConstraint(name, getattr(self, name), "a number of at least 0")
