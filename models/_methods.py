"""The method table: how each method gets its plans for an image. Another method is another entry."""

from collections.abc import Callable

import msgspec

from models._forest import Forest
from models._regressor import Regressor
from router import MAX_CANDIDATES, Features, Method, Plan
from router.formulas import feature_mapping_plans, ladder, performance_plans


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """The models beside the predictor that an export brings or borrows."""

    forest: Forest | None = None
    regressor: Regressor | None = None


# In this order candidates are offered; a method whose model is absent offers none.
METHOD_PLANS: dict[Method, Callable[[Features, Roles], tuple[Plan, ...]]] = {
    "performance": lambda features, _: performance_plans(features),
    "feature_mapping": lambda features, _: feature_mapping_plans(features),
    "regression": lambda features, roles: (
        _on_ladder(roles.regressor.plans(features), features) if roles.regressor else ()
    ),
}
# Steps of the regression ladder; with the other methods' plans that makes at most `MAX_CANDIDATES`.
REGRESSION_STEPS = 4


def _on_ladder(plans: tuple[Plan, ...], features: Features) -> tuple[Plan, ...]:
    """Return the plans whose step an image of this size can afford."""
    steps = ladder(features, REGRESSION_STEPS)
    return tuple(plan for plan in plans if plan.upscale in steps)


def candidates(features: Features, roles: Roles) -> list[tuple[Method, Plan]]:
    """Return every method's plans for an image, at most `MAX_CANDIDATES`."""
    offered = [(method, plan) for method, plans in METHOD_PLANS.items() for plan in plans(features, roles)]
    return offered[:MAX_CANDIDATES]
