"""Which plans are worth running: the choices for each parameter, and plans near those that search found best."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from converter._trace import FINEST_PRECISION
from router import FEATURE_NAMES, Features, Plan
from router.formulas import ladder, spared
from training.errors import LabelsDamaged, StepMissing

# What a plan is chosen by: ln(1 - quality) and what it spends, `spent`. Near the limits of the request grid halving the
# bytes is worth 9 % more error, halving the time 8 %; far below them, as on small images, it saves nobody anything.
BYTES_WEIGHT, SECONDS_WEIGHT = 0.2, 0.15
BYTES_FREE, SECONDS_FREE = 4000.0, 0.010
# Above these an image has soft shadows or glass, soft edges, or noise that a filter may take out.
SOFT_INTERIOR, SOFT_EDGES, NOISY, BLOCKY = 0.005, 0.005, 1.0, 1.2

CHEAP = 700_000  # traced pixels
NEIGHBOURS, MUTATION, WILD = 6, 0.25, 0.25  # images looked at, odds that a parameter changes, that all of them do

ELITES = "elites.json"

# Of layers, at native size and enlarged (`router.formulas.spared`).
NATIVE_DIFFERENCES, DIFFERENCES = (8, 16, 24, 32, 48, 64), (0, 4, 8, 16, 24)

Choices = Mapping[str, Sequence[Any]]
Numbers = TypeVar("Numbers", float, NDArray[np.float64])
# The one mode that is tried: at 2x it comes closer than polygons at 3x, in two thirds of the bytes and half the time.
# Only pixel outlines (`none`) are a little closer at the same step, in twice the bytes, and their steps show enlarged.
MODE: Final = "smooth"
_CHOICES: Final[dict[str, Sequence[Any]]] = {
    "palette": (0, 3, 4, 6, 8, 12, 16, 24, 32, 64),
    "color_precision": (4, 5, 6, 7, 8),
    "filter_speckle": (1, 2, 3, 4, 5, 6, 8),
}


def spent(svg_bytes: Numbers, seconds: Numbers) -> Numbers:
    """Return what bytes and seconds cost beside ln(1 - quality)."""
    cost: Numbers = BYTES_WEIGHT * np.log1p(svg_bytes / BYTES_FREE) + SECONDS_WEIGHT * np.log1p(seconds / SECONDS_FREE)
    return cost


def choices(features: Features, upscale: int) -> Choices:
    """Return the values of each parameter that are worth trying on an image at an upscale step."""
    rough = (features.noise_level or 0) > NOISY or (features.blockiness or 1) > BLOCKY
    soft = (features.soft_alpha_interior or 0) > SOFT_INTERIOR or (features.soft_alpha_fraction or 0) > SOFT_EDGES
    return {
        **_CHOICES,
        "layer_difference": NATIVE_DIFFERENCES if upscale == 1 else DIFFERENCES,
        "matte": ("binary", "bands") if soft else ("binary",),
        "denoise": (0, 1, 2, 3) if rough else (0,),
    }


def random_plan(features: Features, upscale: int, rng: random.Random) -> Plan:
    """Draw a plan from all choices."""
    drawn = {name: rng.choice(values) for name, values in choices(features, upscale).items()}
    return as_run(Plan(upscale=upscale, mode=MODE, **drawn), features)


def as_run(plan: Plan, features: Features) -> Plan:
    """Return a plan as it is run: small images spared, and no precision where the palette decides on colours."""
    precision = FINEST_PRECISION if plan.palette else plan.color_precision
    return spared(msgspec.structs.replace(plan, color_precision=precision), features)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The best plans, best first, that search found on one image at one step; `features` are as measured."""

    features: tuple[float, ...]
    upscale: int
    plans: tuple[Plan, ...]


class Elites:
    """Plans that search found best, offered for images alike."""

    def __init__(self, found: Sequence[Found], mean: NDArray[np.float64], std: NDArray[np.float64]) -> None:
        self._mean, self._std = mean, std
        self._steps: dict[int, tuple[NDArray[np.float64], list[tuple[Plan, ...]]]] = {}
        for step in {one.upscale for one in found}:
            own = [one for one in found if one.upscale == step]
            self._steps[step] = (self._scaled([one.features for one in own]), [one.plans for one in own])

    @classmethod
    def of(cls, found: Sequence[Found]) -> "Elites":
        """Return the elites, features scaled by their own spread."""
        rows = np.log1p(np.array([one.features for one in found]))
        return cls(found, rows.mean(axis=0), rows.std(axis=0) + 1e-6)

    def near(self, features: Features, upscale: int, rng: random.Random) -> Plan:
        """Draw a plan near one that was best at this step on an image alike; a wild one where none is known."""
        if upscale not in self._steps or rng.random() < WILD:
            return random_plan(features, upscale, rng)
        rows, plans = self._steps[upscale]
        own = self._scaled([[value or 0.0 for value in map(features.__getattribute__, FEATURE_NAMES)]])
        alike = np.argsort(((rows - own) ** 2).sum(axis=1), kind="stable")[:NEIGHBOURS]
        return mutated(rng.choice(plans[rng.choice(alike.tolist())]), features, rng)

    def _scaled(self, rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        return np.asarray((np.log1p(np.array(rows)) - self._mean) / self._std)


def mutated(plan: Plan, features: Features, rng: random.Random) -> Plan:
    """Return a plan with some parameters drawn anew."""
    wide = choices(features, plan.upscale)
    new = {name: rng.choice(values) for name, values in wide.items() if rng.random() < MUTATION}
    return as_run(msgspec.structs.replace(plan, **new), features)


def random_plans(features: Features, count: int, rng: random.Random, elites: Elites | None = None) -> list[Plan]:
    """Draw plans for an image, its affordable steps in turn: near those that search found, or from all choices.

    A step that traces many pixels has one turn, where there are cheaper ones: it takes as long as ten of those.
    """
    steps = ladder(features)
    cheap = [step for step in steps if (features.image_area or 0) * step**2 <= CHEAP] or [steps[0]]
    turns = [*steps, *(cheap[i % len(cheap)] for i in range(count))]
    draw = random_plan if elites is None else elites.near
    return [draw(features, step, rng) for step in turns[:count]]


def write_elites(folder: Path, found: Sequence[Found]) -> None:
    """Write what search found; a reader sees the whole of it or what was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    building = folder / f".{ELITES}.part"
    building.write_bytes(msgspec.json.encode(found))
    building.replace(folder / ELITES)


def read_elites(folder: Path) -> Elites:
    """Return what search found.

    Raises:
        StepMissing: there is none.
        LabelsDamaged: the file cannot be read.
    """
    try:
        return Elites.of(msgspec.json.decode((folder / ELITES).read_bytes(), type=list[Found]))
    except FileNotFoundError as exc:
        raise StepMissing(folder, "explore") from exc
    except msgspec.MsgspecError as exc:
        raise LabelsDamaged(folder / ELITES, str(exc)) from exc
