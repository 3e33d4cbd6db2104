"""Probes are plans around the start, really run, that give each number of colours its turn."""

import random
from pathlib import Path

import msgspec

from models._methods import refinement_start
from router import Features, Plan
from router.formulas import ladder, performance_plans
from tests.training.conftest import small_specs
from tests.training.corpora import TRAINED
from training._probe import MOST_PROBED, PALETTES, probe, probes, start_plans
from training._run import Task

SMALL = Features(image_area=2500.0, aspect_ratio=1.0)


def test_every_number_of_colours_has_its_turn() -> None:
    found = probes(SMALL, Plan(upscale=8), len(PALETTES) + 1, random.Random(1))
    assert found[0] == Plan(upscale=8)
    assert {plan.palette for plan in found} == set(PALETTES)
    assert len(set(found)) == len(found)


def test_no_probe_traces_too_much_and_only_soft_images_get_bands() -> None:
    large = Features(image_area=1e6, aspect_ratio=1.0)
    assert {plan.upscale for plan in probes(large, Plan(upscale=2), 30, random.Random(1))} == {1}
    middle = Features(image_area=65536.0, aspect_ratio=1.0, soft_alpha_fraction=0.2)
    found = probes(middle, Plan(upscale=4), 60, random.Random(1))
    assert all(65536 * plan.upscale**2 <= MOST_PROBED for plan in found)
    assert {plan.matte for plan in found} == {"binary", "bands"}
    assert {plan.matte for plan in probes(SMALL, Plan(), 40, random.Random(1))} == {"binary"}


def test_policies_learn_from_any_start_and_mostly_from_that_of_the_method(fitted: Path) -> None:
    found = start_plans(fitted, SMALL)
    own = refinement_start(SMALL)
    assert found.count(own) >= len(found) / 2
    assert {plan.upscale for plan in found} >= {performance_plans(SMALL)[0].upscale, ladder(SMALL)[-1]}


def test_probes_are_measured_and_what_fails_is_told(fitted: Path, corpus: Path) -> None:
    spec = small_specs(TRAINED, 1)[0]
    found = probe(Task(spec=spec, random_plans=4, export=fitted, corpus=corpus, seed=1))
    assert (len(found.runs), found.failures) == (4, ())
    assert {run.origin for run in found.runs} == {"probe"}
    assert all(0 < run.quality <= 1 and run.seconds > 0 for run in found.runs)
    assert found.spec == spec
    again = probe(Task(spec=spec, random_plans=4, export=fitted, corpus=corpus, seed=1))
    assert [run.plan for run in again.runs] == [run.plan for run in found.runs]
    assert msgspec.json.encode(found)
