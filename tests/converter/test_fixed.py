"""The plans that every image gets."""

from converter._fixed import FIXED
from router import VTRACER_DEFAULTS


def test_fixed_plans_are_the_defaults_and_one_recipe_at_three_scales() -> None:
    assert FIXED["defaults"] is VTRACER_DEFAULTS
    assert [FIXED[f"fixed_{n}x"].upscale for n in (1, 2, 3)] == [1, 2, 3]
