"""`model_info.json`, format 1, as frozen structs: an invalid manifest cannot exist."""

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from router import FEATURE_NAMES, METHODS, PLAN_BOUNDS, Plan

FORMAT = 1
MANIFEST_NAME = "model_info.json"

# How many cells the request grid has on each axis; the forest is asked for all of them (router.base_cell).
GRID_SIDE = 4
# Roles with a file of their own that we load; other roles are staged and hashed but otherwise left alone.
PREDICTOR, FOREST, REGRESSOR, POLICY = "predictor", "base_forest", "plan_regressor", "policy"
GOLDEN, POLICY_GOLDEN = "golden", "policy_golden"
LANE_OF_SUFFIX: dict[str, Literal["onnx", "torchscript"]] = {".onnx": "onnx", ".pt": "torchscript"}

_PLAN_FIELDS = frozenset(Plan.__struct_fields__)
# The words that a plan parameter may be, for those that are words.
_CHOICES: dict[str, tuple[str, ...]] = {n: get_args(hint) for n, hint in get_type_hints(Plan).items() if get_args(hint)}
_OUTPUTS = ("quality", "quality_error", "seconds", "seconds_high", "svg_bytes", "svg_bytes_high")


class UnknownFeatureName(ValueError):
    """A feature name that the router does not know; the loader turns it into the error with the path."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"{where} names the unknown feature {name!r}")
        self.name, self.where = name, where


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an export; without `sha256` and `bytes` the export is unverified."""

    role: str
    sha256: str | None = None
    bytes: int | None = None


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one plan parameter becomes a number: its code, or itself, log2 where asked, divided by `scale`."""

    name: str
    scale: float = 1.0
    log2: bool = False
    codes: dict[str, float] | None = None

    def __post_init__(self) -> None:
        if self.name != "method" and self.name not in _PLAN_FIELDS:
            raise ValueError(f"plan parameter {self.name!r} is unknown")
        if not self.scale or not math.isfinite(self.scale):
            raise ValueError(f"plan parameter {self.name!r} has scale {self.scale}")
        if self.codes is None and (self.name == "method" or self.name not in PLAN_BOUNDS):
            raise ValueError(f"plan parameter {self.name!r} needs codes")


class _Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    name: str = ""


class FeaturesInput(_Input, frozen=True, kw_only=True, tag="features"):
    """float32 [1, F]: log1p where named, then (x - mean) / std; a missing feature becomes 0."""

    names: tuple[str, ...]
    log1p: tuple[str, ...] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    repeat: bool = False

    def __post_init__(self) -> None:
        _check_features(self.names, self.log1p, "input features")
        _check_normalisation(len(self.names), self.mean, self.std)


class ThumbnailInput(_Input, frozen=True, kw_only=True, tag="thumbnail"):
    """float32 [1, channels, size, size]: premultiplied RGBA, or RGB over white; zeros without a picture."""

    size: int
    channels: Literal["rgba", "rgb"] = "rgba"
    scale: float = 255.0
    mean: tuple[float, ...]
    std: tuple[float, ...]
    repeat: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 1024:
            raise ValueError(f"thumbnail size {self.size} is outside 1..1024")
        if not self.scale > 0:
            raise ValueError(f"thumbnail scale {self.scale} is not above 0")
        _check_normalisation(len(self.channels), self.mean, self.std)


class HasThumbnailInput(_Input, frozen=True, kw_only=True, tag="has_thumbnail"):
    """float32 [1, 1]: 1 where a picture was given, else 0."""


class PlansInput(_Input, frozen=True, kw_only=True, tag="plans"):
    """float32 [N, P]: one row per candidate."""

    parameters: tuple[Parameter, ...]


class FlatInput(_Input, frozen=True, kw_only=True, tag="flat"):
    """float32 [N, F + P]: features repeated, then plans, as one vector per candidate."""

    parts: tuple[FeaturesInput | PlansInput, ...]


Input = FeaturesInput | ThumbnailInput | HasThumbnailInput | PlansInput | FlatInput


class ForestSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the base forest is asked: features, then target and budget of each grid cell; one column per method."""

    names: tuple[str, ...]
    log1p: tuple[str, ...] = ()
    fill: tuple[float, ...]
    targets: tuple[float, ...]
    budgets: tuple[float, ...]
    methods: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_features(self.names, self.log1p, "forest")
        _check_fill(self.names, self.fill, "forest")
        if len(self.targets) != GRID_SIDE or len(self.budgets) != GRID_SIDE:
            raise ValueError(f"the forest needs {GRID_SIDE} targets and {GRID_SIDE} budgets")
        if unknown := sorted(set(self.methods) - set(METHODS)):
            raise ValueError(f"the forest names the unknown method {unknown[0]!r}")


class PlanOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one output of the plan regressor becomes a plan parameter: clamped and rounded, or the nearest code."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    integer: bool = False
    codes: dict[str, float] | None = None

    def __post_init__(self) -> None:
        if self.name not in _PLAN_FIELDS or self.name == "upscale":
            raise ValueError(f"the regressor cannot set the plan parameter {self.name!r}")
        if self.codes is None:
            if self.name not in PLAN_BOUNDS:
                raise ValueError(f"plan parameter {self.name!r} needs codes")
            low, high = PLAN_BOUNDS[self.name]
            if not max(self.low, low) <= min(self.high, high):
                raise ValueError(f"plan parameter {self.name!r} is held to {self.low:g}..{self.high:g}, which is empty")
        elif not self.codes or not all(_is_value(self.name, key) for key in self.codes):
            raise ValueError(f"plan parameter {self.name!r} has codes that are none of its values")


class RegressorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the plan regressor is asked: features and one upscale per row of the ladder; one plan per row."""

    names: tuple[str, ...]
    log1p: tuple[str, ...] = ()
    fill: tuple[float, ...]
    ladder: tuple[int, ...]
    parameters: tuple[PlanOutput, ...]

    def __post_init__(self) -> None:
        _check_features(self.names, self.log1p, "regressor")
        _check_fill(self.names, self.fill, "regressor")
        if not 1 <= len(self.ladder) <= PLAN_BOUNDS["upscale"][1]:
            raise ValueError(f"the regressor's ladder has {len(self.ladder)} steps, 1 to 8 are allowed")
        if not all(PLAN_BOUNDS["upscale"][0] <= step <= PLAN_BOUNDS["upscale"][1] for step in self.ladder):
            raise ValueError(f"the regressor's ladder {self.ladder} leaves the bounds of upscale")


# The choices of a move that are no values: leave the parameter, go one affordable upscale step down or up.
KEEP, COARSER, FINER = "keep", "coarser", "finer"
# The move that ends the refinement, and its choices.
STOP = "stop"
STOP_CHOICES = ("go", "stop")
MOST_ATTEMPTS = 16


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One change that the policy can make to a plan, or `stop`: the choices, the first of which changes nothing."""

    name: str
    choices: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name == STOP:
            if self.choices != STOP_CHOICES:
                raise ValueError(f"the move stop has the choices {self.choices}, not {STOP_CHOICES}")
            return
        if self.name not in _PLAN_FIELDS:
            raise ValueError(f"the policy cannot change the plan parameter {self.name!r}")
        steps = (COARSER, FINER) if self.name == "upscale" else ()
        if len(self.choices) < 2 or self.choices[0] != KEEP:
            raise ValueError(f"the move {self.name!r} needs keep and at least one other choice")
        if not all(choice in steps or _is_value(self.name, choice) for choice in self.choices[1:]):
            raise ValueError(f"the move {self.name!r} has choices that are none of its values")


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the plan policy is asked: features and every attempt so far; it answers one number per choice of each move.

    Features: log1p where named, then (x - mean) / std. `attempts` is how many the state has room for; `parameters` say
    how the plan of each becomes a row.
    """

    names: tuple[str, ...]
    log1p: tuple[str, ...] = ()
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parameters: tuple[Parameter, ...]
    attempts: int
    moves: tuple[Move, ...]

    def __post_init__(self) -> None:
        _check_features(self.names, self.log1p, "policy")
        _check_normalisation(len(self.names), self.mean, self.std)
        if not 2 <= self.attempts <= MOST_ATTEMPTS:
            raise ValueError(f"the policy knows {self.attempts} attempts, 2 to {MOST_ATTEMPTS} are allowed")
        if any(parameter.name == "method" for parameter in self.parameters):
            raise ValueError("the policy is not told the method")
        names = [move.name for move in self.moves]
        if STOP not in names or len(names) < 2 or len(set(names)) < len(names):
            raise ValueError("the policy needs the move stop and at least one other, each once")


class GoldenSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How far a lane may be from the golden samples, absolute and relative."""

    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 0.01:
            raise ValueError(f"golden tolerance {self.tolerance} is outside (0, 0.01]")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the export promises of itself."""

    max_ms: float | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `model_info.json`; keys it does not know are ignored at this level only."""

    format: int
    name: str
    version: str
    created: datetime
    trained_on: str = ""
    files: dict[str, FileEntry]
    inputs: tuple[Input, ...] = ()
    outputs: dict[str, int] = {}
    output_transforms: dict[str, Literal["exp"]] = {}
    forest: ForestSpec | None = None
    regressor: RegressorSpec | None = None
    policy: PolicySpec | None = None
    golden: GoldenSpec = GoldenSpec()
    metrics: dict[str, Any] = {}
    metrics_per_family: dict[str, Any] = {}
    limits: Limits = Limits()
    frameworks: dict[str, str] = {}

    def __post_init__(self) -> None:
        self._check_files()
        if self.of_role(PREDICTOR):
            self._check_predictor()
        for role, spec in ((FOREST, self.forest), (REGRESSOR, self.regressor), (POLICY, self.policy)):
            if self.of_role(role) and spec is None:
                raise ValueError(f"a {role} is listed but nothing says how to ask it")

    def of_role(self, role: str) -> tuple[str, ...]:
        """Return the names of the files that play a role, in the manifest's order."""
        return tuple(name for name, entry in self.files.items() if entry.role == role)

    def predictors(self) -> dict[str, str]:
        """Return lane -> file name of the quality predictor."""
        names = self.of_role(PREDICTOR)
        return {lane: name for suffix, lane in LANE_OF_SUFFIX.items() for name in names if name.endswith(suffix)}

    def numeric_metrics(self) -> dict[str, float]:
        """Return the metrics that are plain numbers."""
        return numbers(self.metrics)

    def created_utc(self) -> datetime:
        """Return when the export was made; a time without a zone is taken as UTC."""
        return self.created if self.created.tzinfo else self.created.replace(tzinfo=UTC)

    def _check_files(self) -> None:
        for name, entry in self.files.items():
            # A name that leaves the directory could make us read or overwrite files that are not the export's.
            if not name or "/" in name or "\0" in name or name in (".", "..", MANIFEST_NAME):
                raise ValueError(f"{name!r} is no plain file name")
            if entry.sha256 is not None and (len(entry.sha256) != 64 or set(entry.sha256) - set("0123456789abcdef")):
                raise ValueError(f"{name} has a sha256 that is not 64 lower-case hex digits")
        for role in (FOREST, REGRESSOR, POLICY, GOLDEN, POLICY_GOLDEN):
            if len(self.of_role(role)) > 1:
                raise ValueError(f"more than one file plays the role {role}")
        suffixes = [name[name.rfind(".") :] for name in self.of_role(PREDICTOR)]
        if len(set(suffixes)) < len(suffixes) or set(suffixes) - set(LANE_OF_SUFFIX):
            raise ValueError("predictors must be at most one .onnx and one .pt")

    def _check_predictor(self) -> None:
        if not any(isinstance(i, PlansInput | FlatInput) for i in self.inputs):
            raise ValueError("no input takes the plans, so candidates cannot be told apart")
        names = [i.name for i in self.inputs]
        if not all(names) or len(set(names)) < len(names):
            raise ValueError("every input needs a name of its own")
        if "quality" not in self.outputs:
            raise ValueError("the output quality is not listed")
        if unknown := sorted({*self.outputs, *self.output_transforms} - set(_OUTPUTS)):
            raise ValueError(f"the output {unknown[0]!r} is unknown")
        if min(self.outputs.values()) < 0:
            raise ValueError("an output has a negative column")


def decode_manifest(data: bytes) -> Manifest:
    """Return the manifest of format 1 held in `data`.

    Raises:
        UnknownFeatureName: it names a feature that the router does not measure.
        ValueError: anything else about it is wrong (msgspec's own errors are ValueErrors).
    """
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as exc:
        # msgspec wraps what __post_init__ raises; the typed one below it says more.
        if isinstance(exc.__cause__, UnknownFeatureName):
            raise exc.__cause__ from None
        raise


def numbers(metrics: object) -> dict[str, float]:
    """Return the finite numbers of a JSON object; nothing of anything else."""
    if not isinstance(metrics, Mapping):
        return {}
    plain = {str(k): v for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    # Compared as they are: an integer of JSON may be too large to become a float.
    return {name: float(value) for name, value in plain.items() if abs(value) <= sys.float_info.max}


def with_inputs(manifest: Manifest, inputs: tuple[Input, ...]) -> Manifest:
    """Return the manifest with other inputs."""
    return msgspec.structs.replace(manifest, inputs=inputs)


def _is_value(name: str, key: str) -> bool:
    """Tell whether a code's key is a value of the plan parameter: one of its words, or a whole number within bounds."""
    if name not in PLAN_BOUNDS:
        return key in _CHOICES[name]
    low, high = PLAN_BOUNDS[name]
    return key.isdecimal() and low <= int(key) <= high


def _check_features(names: tuple[str, ...], log1p: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in FEATURE_NAMES:
            raise UnknownFeatureName(name, where)
    if len(set(names)) < len(names):
        raise ValueError(f"{where} names a feature twice")
    if stray := sorted(set(log1p) - set(names)):
        raise ValueError(f"{where} takes the logarithm of {stray[0]!r}, which it does not use")


def _check_fill(names: tuple[str, ...], fill: tuple[float, ...], where: str) -> None:
    # No feature is below 0, so a fill below 0 is a mistake, and none has a logarithm.
    if len(fill) != len(names) or not all(0 <= value < math.inf for value in fill):
        raise ValueError(f"{where} needs one fill value per feature, finite and at least 0")


def _check_normalisation(width: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if len(mean) != width or len(std) != width:
        raise ValueError(f"mean and std need {width} values, they have {len(mean)} and {len(std)}")
    if not all(map(math.isfinite, (*mean, *std))) or min(std, default=1.0) <= 0:
        raise ValueError("mean must be finite and std above 0")
