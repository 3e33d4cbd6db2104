"""A predictor's inputs are composed as its manifest says, so an export may use other features without new code."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models._lanes import Array
from models._manifest import (
    FeaturesInput,
    FlatInput,
    HasThumbnailInput,
    Input,
    Parameter,
    PlansInput,
    ThumbnailInput,
)
from models.errors import PredictionFailed
from router import Features, Method, Plan
from router.pixels import Sample, thumbnail

Candidates = Sequence[tuple[Method, Plan]]
_Part = Callable[[Sample, Candidates], Array]

# Callers may hand in any finite number. No image lies beyond this one, and float32 networks still compute with it.
FARTHEST = 1e12
# What stands for a mode that an export was trained without, the first that it knows: smooth outlines are made of those
# of pixels.
STAND_INS = {"mode": {"smooth": ("none", "polygon")}}


class Composer:
    """Turns a sample and candidates into the arrays of one run; what does not change is computed once, here."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._parts: dict[str, _Part] = {one.name: _part(one) for one in inputs}

    def compose(self, sample: Sample, candidates: Candidates) -> dict[str, Array]:
        """Return one array per input, in the manifest's order.

        Raises:
            PredictionFailed: a plan holds a value for which the export has no code.
        """
        return {name: part(sample, candidates) for name, part in self._parts.items()}


class FeatureRow:
    """Features as numbers in a fixed order: missing ones filled, then logarithms taken where named.

    Plain Python on purpose: for some twenty numbers it takes a fifth of what numpy takes.
    """

    def __init__(self, names: tuple[str, ...], log1p: tuple[str, ...], fill: Sequence[float]) -> None:
        self._names = names
        self._columns = [(name in log1p, value) for name, value in zip(names, fill, strict=True)]

    def __call__(self, features: Features) -> list[float]:
        """Return the row."""
        row = []
        for value, (log, fill) in zip(features.vector(self._names), self._columns, strict=True):
            known = fill if math.isnan(value) else min(value, FARTHEST)
            row.append(math.log1p(known) if log else known)
        return row


def _part(one: Input) -> _Part:
    match one:
        case FeaturesInput():
            return _repeated(_features(one), one.repeat)
        case ThumbnailInput():
            return _repeated(_thumbnail(one), one.repeat)
        case HasThumbnailInput():
            return lambda sample, _: np.array([[sample.picture is not None]], dtype=np.float32)
        case PlansInput():
            return _plans(one)
        case FlatInput():
            return _flat(one)


def _repeated(part: _Part, repeat: bool) -> _Part:
    if not repeat:
        return part
    return lambda sample, candidates: np.repeat(part(sample, candidates), len(candidates), axis=0)


def _features(one: FeaturesInput) -> _Part:
    columns = [(name in one.log1p, mean, std) for name, mean, std in zip(one.names, one.mean, one.std, strict=True)]

    def compose(sample: Sample, _: Candidates) -> Array:
        # The mean stands for a feature that was not measured, so it becomes exactly 0.
        row = [
            0.0 if math.isnan(value) else ((math.log1p(value) if log else value) - mean) / std
            for value, (log, mean, std) in zip(sample.features.vector(one.names), columns, strict=True)
        ]
        return np.minimum([row], FARTHEST).astype(np.float32)

    return compose


def _thumbnail(one: ThumbnailInput) -> _Part:
    std = np.array(one.std, dtype=np.float32).reshape(-1, 1, 1)
    factor = 1 / (std * np.float32(one.scale))
    shift = np.array(one.mean, dtype=np.float32).reshape(-1, 1, 1) / std
    nothing = np.zeros((1, len(one.channels), one.size, one.size), dtype=np.float32)

    def compose(sample: Sample, _: Candidates) -> Array:
        if sample.picture is None:
            return nothing
        planes = thumbnail(sample.picture, one.size).transpose(2, 0, 1).astype(np.float32, order="C")
        if one.channels == "rgb":
            planes = planes[:3] + (255 - planes[3:])  # premultiplied, so this is the picture over white
        planes *= factor
        planes -= shift
        return planes[np.newaxis]

    return compose


def _plans(one: PlansInput) -> _Part:
    columns = [plan_column(parameter) for parameter in one.parameters]

    def compose(_: Sample, candidates: Candidates) -> Array:
        rows = [[column(method, plan) for column in columns] for method, plan in candidates]
        return np.array(rows, dtype=np.float32).reshape(len(candidates), len(columns))

    return compose


def _flat(one: FlatInput) -> _Part:
    parts = [_part(part) for part in one.parts]

    def compose(sample: Sample, candidates: Candidates) -> Array:
        blocks = [part(sample, candidates) for part in parts]
        whole = [np.broadcast_to(block, (len(candidates), block.shape[1])) for block in blocks]
        return np.concatenate(whole, axis=1)

    return compose


def plan_column(parameter: Parameter) -> Callable[[Method, Plan], float]:
    """Return what reads one plan parameter as a number."""
    name, scale, codes = parameter.name, parameter.scale, parameter.codes

    def read(method: Method, plan: Plan) -> Any:
        return method if name == "method" else getattr(plan, name)

    if codes is not None:
        known = {value: number / scale for value, number in _with_stand_ins(name, codes).items()}

        def code(method: Method, plan: Plan) -> float:
            value = read(method, plan)
            if value not in known:
                raise PredictionFailed(f"the export has no code for {name} {value!r}")
            return known[value]

        return code
    if parameter.log2:
        return lambda method, plan: math.log2(max(read(method, plan), 2.0**-16)) / scale
    return lambda method, plan: float(read(method, plan)) / scale


def _with_stand_ins(name: str, codes: Mapping[str, float]) -> dict[str, float]:
    """Return a parameter's codes with one for each word that another stands for."""
    words = STAND_INS.get(name, {})
    others = {
        word: codes[other] for word, stand_ins in words.items() for other in reversed(stand_ins) if other in codes
    }
    return others | dict(codes)
