"""The searches that the policy is compared with stay within its space and never name a plan twice."""

from collections.abc import Callable

import pytest

from router import Plan
from tests.training.scenes import FEATURES, START, outcome
from training._environment import Made
from training._ppo import MOVES
from training._searches import RandomSearch, TreeParzenSearch, plain, space, values_of, with_values

Search = RandomSearch | TreeParzenSearch


def run(search: Search, start: Plan, steps: int) -> list[Made]:
    found = [made(start)]
    while len(found) < steps and (plan := search.next_plan(FEATURES, found, 0)) is not None:
        found.append(made(plan))
    return found


def made(plan: Plan) -> Made:
    one = outcome(plan)
    return Made(plan, one.quality, one.seconds, one.svg_bytes)


@pytest.mark.parametrize("search", [RandomSearch, TreeParzenSearch])
@pytest.mark.parametrize("start", [START, Plan(palette=9), plain(START)], ids=["start", "outside the space", "plain"])
def test_plans_differ_and_lie_in_the_space(search: Callable[..., Search], start: Plan) -> None:
    found = run(search(MOVES, 5), start, 12)
    assert len({one.plan for one in found}) == len(found) == 12
    for one in found[1:]:
        own = values_of(MOVES, one.plan)
        assert all(own[name] in values for name, values in space(MOVES).items())
        assert abs(one.plan.upscale - start.upscale) <= 1


@pytest.mark.parametrize("search", [RandomSearch, TreeParzenSearch])
def test_the_same_seed_searches_alike(search: Callable[..., Search]) -> None:
    one, other = (run(search(MOVES, 7), START, 5) for _ in range(2))
    assert one == other


def test_tpe_ends_where_nothing_is_left() -> None:
    tiny = tuple(move for move in MOVES if move.name in ("stop", "matte"))
    search = TreeParzenSearch(tiny, 1)
    found = run(search, Plan(), 9)
    assert {one.plan.matte for one in found} == {"binary", "bands"}
    assert len(found) == 2


def test_values_make_the_plan_they_come_from() -> None:
    plan = Plan(upscale=3, palette=16, denoise=2, matte="bands", layer_difference=0)
    assert with_values(MOVES, values_of(MOVES, plan), Plan(upscale=3), FEATURES) == plan
    assert plain(plan) == Plan(upscale=3)
