"""Random plans lie in the region worth searching, near what search found, and the same seed draws the same ones."""

import random
from pathlib import Path

import msgspec
import pytest

from converter._trace import FINEST_PRECISION
from router import FEATURE_NAMES, Features, Plan
from router.formulas import ladder
from training import _plans
from training._plans import (
    CHEAP,
    ELITES,
    Elites,
    Found,
    as_run,
    choices,
    mutated,
    random_plan,
    random_plans,
    read_elites,
    write_elites,
)
from training.errors import LabelsDamaged, StepMissing

SMALL = Features(image_area=4096.0)
LARGE = Features(image_area=250_000.0)
# What search found: at 1x on a dark and on a busy image, at 2x on the busy one alone.
QUIET, BUSY = Features(entropy=0.5, image_area=4096.0), Features(entropy=7.5, image_area=4096.0)
FEW, MANY, FINE = (
    Plan(upscale=step, palette=colors, color_precision=FINEST_PRECISION, filter_speckle=2)
    for step, colors in ((1, 3), (1, 64), (2, 32))
)


def found(features: Features, *plans: Plan) -> Found:
    values = tuple(getattr(features, name) or 0.0 for name in FEATURE_NAMES)
    return Found(features=values, upscale=plans[0].upscale, plans=plans)


KNOWN = (found(QUIET, FEW), found(BUSY, MANY), found(BUSY, FINE))


@pytest.fixture
def tame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans be those of the one image most alike, unchanged."""
    for name, value in {"WILD": 0.0, "MUTATION": 0.0, "NEIGHBOURS": 1}.items():
        monkeypatch.setattr(_plans, name, value)


def test_steps_are_taken_in_turn() -> None:
    steps = ladder(SMALL)
    plans = random_plans(SMALL, 2 * len(steps), random.Random(1))
    assert [plan.upscale for plan in plans] == [*steps, *steps]


def test_a_step_that_traces_many_pixels_has_one_turn() -> None:
    steps = ladder(LARGE)
    cheap = [step for step in steps if LARGE.image_area * step**2 <= CHEAP]  # type: ignore[operator]
    assert cheap == [1]
    plans = random_plans(LARGE, len(steps) + 4, random.Random(1))
    assert [plan.upscale for plan in plans] == [*steps, *cheap * 4]


def test_where_every_step_is_dear_the_first_has_the_other_turns() -> None:
    huge = Features(image_area=1_100_000.0)
    assert [plan.upscale for plan in random_plans(huge, 4, random.Random(1))] == [1, 2, 1, 1]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_plans_as_were_asked_for(count: int) -> None:
    assert len(random_plans(SMALL, count, random.Random(1))) == count


@pytest.mark.parametrize("elites", [None, Elites.of(KNOWN)], ids=["from all choices", "near those found"])
def test_the_same_seed_draws_the_same_plans(elites: Elites | None) -> None:
    one, other, third = (random_plans(SMALL, 8, random.Random(seed), elites) for seed in (1, 1, 2))
    assert one == other != third


@pytest.mark.parametrize(
    ("features", "mattes", "denoises"),
    [
        pytest.param(SMALL, {"binary"}, {0}, id="clean"),
        pytest.param(Features(soft_alpha_interior=0.1), {"binary", "bands"}, {0}, id="soft inside"),
        pytest.param(Features(soft_alpha_fraction=0.1), {"binary", "bands"}, {0}, id="soft edges"),
        pytest.param(Features(noise_level=3.0), {"binary"}, {0, 1, 2, 3}, id="noisy"),
        pytest.param(Features(blockiness=2.0), {"binary"}, {0, 1, 2, 3}, id="blocky"),
    ],
)
def test_what_is_tried_depends_on_the_image(features: Features, mattes: set[str], denoises: set[int]) -> None:
    rng = random.Random(1)
    plans = [random_plan(features, 2, rng) for _ in range(80)]
    assert {plan.matte for plan in plans} == mattes
    assert {plan.denoise for plan in plans} == denoises
    assert {plan.mode for plan in plans} == {"smooth"}
    assert {plan.upscale for plan in plans} == {2}


@pytest.mark.parametrize("step", [1, 2])
def test_every_choice_is_a_plan(step: int) -> None:
    for name, values in choices(Features(noise_level=9.0, soft_alpha_interior=1.0), step).items():
        assert [getattr(msgspec.structs.replace(Plan(), **{name: value}), name) for value in values] == [*values]


@pytest.mark.parametrize(
    ("palette", "precision"), [pytest.param(8, FINEST_PRECISION, id="reduced"), pytest.param(0, 5, id="not")]
)
def test_a_palette_decides_on_colours_alone(palette: int, precision: int) -> None:
    plan = Plan(palette=palette, color_precision=5)
    assert as_run(plan, LARGE) == msgspec.structs.replace(plan, color_precision=precision)


def test_whatever_is_drawn_spares_small_images() -> None:
    rng = random.Random(1)
    drawn = [random_plan(SMALL, 3, rng) for _ in range(40)] + [mutated(FINE, SMALL, rng) for _ in range(40)]
    assert all(plan.filter_speckle <= plan.upscale + 1 for plan in drawn)
    assert all(plan.color_precision == FINEST_PRECISION for plan in drawn if plan.palette)


@pytest.mark.usefixtures("tame")
@pytest.mark.parametrize(
    ("features", "step", "expected"),
    [
        pytest.param(QUIET, 1, FEW, id="one image alike"),
        pytest.param(BUSY, 1, MANY, id="the other"),
        pytest.param(msgspec.structs.replace(BUSY, entropy=6.0), 1, MANY, id="nearly"),
        pytest.param(QUIET, 2, FINE, id="found on one image only"),
    ],
)
def test_plans_are_those_of_images_alike(features: Features, step: int, expected: Plan) -> None:
    assert Elites.of(KNOWN).near(features, step, random.Random(1)) == expected


@pytest.mark.usefixtures("tame")
def test_features_that_were_not_measured_count_as_none_at_all() -> None:
    assert Elites.of(KNOWN).near(Features(image_area=4096.0), 1, random.Random(1)) == FEW


@pytest.mark.usefixtures("tame")
def test_a_step_that_was_never_searched_has_random_plans() -> None:
    plans = {Elites.of(KNOWN).near(SMALL, 3, random.Random(seed)) for seed in range(8)}
    assert {plan.upscale for plan in plans} == {3}
    assert len(plans) > 4


def test_now_and_then_a_plan_is_wild(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plans, "MUTATION", 0.0)
    elites = Elites.of(KNOWN)
    plans = [elites.near(SMALL, 1, random.Random(seed)) for seed in range(200)]
    assert sum(plan not in (FEW, MANY) for plan in plans) / 200 == pytest.approx(_plans.WILD, abs=0.08)


def test_a_mutated_plan_keeps_its_step_and_most_parameters() -> None:
    changed = [mutated(FINE, SMALL, random.Random(seed)) for seed in range(60)]
    assert {plan.upscale for plan in changed} == {2}
    assert FINE in changed
    differing = [sum(getattr(plan, name) != getattr(FINE, name) for name in choices(SMALL, 2)) for plan in changed]
    assert 0.5 < sum(differing) / len(differing) < 2


def test_elites_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_elites(tmp_path / "elites", KNOWN[:1])
    write_elites(tmp_path / "elites", KNOWN)
    assert [path.name for path in (tmp_path / "elites").iterdir()] == [ELITES]
    read, kept = read_elites(tmp_path / "elites"), Elites.of(KNOWN)
    assert random_plans(SMALL, 12, random.Random(3), read) == random_plans(SMALL, 12, random.Random(3), kept)


def test_without_elites_explore_is_to_run_first(tmp_path: Path) -> None:
    with pytest.raises(StepMissing, match="run `python -m training explore` first"):
        read_elites(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[", '[{"upscale": 1}]', "{}", '[{"features": [], "upscale": 1, "plans": [{"mode": "no"}]}]']
)
def test_damaged_elites_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / ELITES).write_text(text)
    with pytest.raises(LabelsDamaged, match=ELITES):
        read_elites(tmp_path)
