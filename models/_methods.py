"""The method table: how each method gets its plans for an image. Another method is another entry."""

from collections.abc import Callable

import msgspec

from models._forest import Forest
from models._policy import PolicyModel
from models._regressor import Regressor
from router import MAX_CANDIDATES, Features, Method, Plan
from router.formulas import feature_mapping_plans, fine_plan, ladder, performance_plans, spared


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """The models beside the predictor that an export brings or borrows."""

    forest: Forest | None = None
    regressor: Regressor | None = None
    policy: PolicyModel | None = None


# In this order candidates are offered; a method whose model is absent offers none. The third argument are the
# regressor's plans, which more than one method builds on.
METHOD_PLANS: dict[Method, Callable[[Features, Roles, tuple[Plan, ...]], tuple[Plan, ...]]] = {
    "performance": lambda features, _roles, _: performance_plans(features),
    "feature_mapping": lambda features, _roles, _: feature_mapping_plans(features),
    "regression": lambda _features, _roles, regression: regression,
    "ppo": lambda features, roles, _: (refinement_start(features),) if roles.policy else (),
}
# Steps of the regression ladder; with the other methods' plans that makes at most `MAX_CANDIDATES`.
REGRESSION_STEPS = 4


def refinement_start(features: Features) -> Plan:
    """Return where the refinement starts: of the plans that need no search, the formulas' fine one comes closest."""
    return fine_plan(features)


def _regression(features: Features, roles: Roles) -> tuple[Plan, ...]:
    """Return the regressor's plans whose step an image of this size can afford, finest last, small images spared."""
    if roles.regressor is None:
        return ()
    steps = ladder(features, REGRESSION_STEPS)
    return tuple(spared(plan, features) for plan in roles.regressor.plans(features) if plan.upscale in steps)


def candidates(features: Features, roles: Roles) -> list[tuple[Method, Plan]]:
    """Return every method's plans for an image, at most `MAX_CANDIDATES`."""
    regression = _regression(features, roles)
    offered = [(method, plan) for method, plans in METHOD_PLANS.items() for plan in plans(features, roles, regression)]
    return offered[:MAX_CANDIDATES]
