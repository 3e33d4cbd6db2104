"""Loading an export: stage, build the lane, warm it, hold it against its golden samples."""

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models._digest import digest_of
from models._export import Export, Predictor
from models._forest import Forest
from models._lanes import LANES, RUNTIME_ERRORS, Array, PredictorLane, first_line
from models._manifest import FOREST, GOLDEN, POLICY, POLICY_GOLDEN, REGRESSOR, Manifest, with_inputs
from models._methods import Roles, candidates
from models._older import older_inputs
from models._policy import PlanPolicy, PolicyModel
from models._regressor import Regressor
from models._staging import Staged, describe, staged
from models.errors import (
    ExportError,
    ExportUnverified,
    FileDamaged,
    GoldenMismatch,
    LaneFailed,
    PredictionFailed,
    RoleFailed,
)
from router import ExportInfo, Features
from router.pixels import Sample

# The built-in default, from which roles are taken that an export does not bring.
DEFAULT_EXPORT = Path(__file__).parent / "exported" / "default"
# TorchScript specialises during runs 1 and 2 (17 times slower); from the third on it is itself.
WARM_RUNS = 3
_ROLES = frozenset({FOREST, REGRESSOR, POLICY})
# What numpy raises on damaged archives: its header is parsed as Python, and may promise more than memory holds.
_NUMPY_FAULTS = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    LookupError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


def load_export(
    directory: Path,
    *,
    lanes: Sequence[str] = ("onnx", "torchscript"),
    require_verified: bool = False,
    staging: Path | None = None,
    defaults: Path | None = DEFAULT_EXPORT,
) -> Export:
    """Load an export; the first of `lanes` that it has and that passes every check serves.

    A lane that fails gives way to the next and is told in `problems`; with none left, the export serves base routing.
    `staging` is the directory under which the private copy is made; roles that are missing come from `defaults`.

    Raises:
        GoldenMismatch: no lane serves, and one of them answered other values than the golden samples.
        ExportError: the manifest or a file is missing, damaged or invalid, or the export is not verified but must be.
    """
    described = describe(directory)
    with staged(described, staging) as copy:
        if require_verified and copy.missing:
            raise ExportUnverified(directory, copy.missing)
        own, problems = _own_roles(copy)
        roles, borrowed, unborrowed = _borrow(own, directory, defaults, staging)
        predictor, failures = _serving(copy, lanes, roles)
    if predictor is None and (mismatches := [f for f in failures if isinstance(f, GoldenMismatch)]):
        raise mismatches[0]
    return Export(
        _info(copy),
        roles,
        predictor,
        created=described.manifest.created_utc(),
        degraded=predictor is None and bool(described.manifest.predictors()),
        problems=[*(failure.reason for failure in failures), *problems, *unborrowed],
        borrowed=borrowed,
    )


def builtin(*, staging: Path | None = None, defaults: Path | None = DEFAULT_EXPORT) -> Export:
    """Return what serves without any export: base routing, by the default export's forest where it is there."""
    roles, borrowed, problems = _borrow(Roles(), None, defaults, staging)
    info = ExportInfo(name="builtin", version="1", digest=digest_of(b"builtin", borrowed))
    return Export(info, roles, problems=problems, borrowed=borrowed)


def load_policy_model(
    directory: Path | None, *, staging: Path | None = None, defaults: Path | None = DEFAULT_EXPORT
) -> PolicyModel | None:
    """Return the plan policy alone: an export's, else the default export's; None where neither has one that runs."""
    for place in (directory, defaults):
        try:
            if place is not None:
                with staged(describe(place), staging, frozenset({POLICY, POLICY_GOLDEN})) as copy:
                    roles, _ = _own_roles(copy, frozenset({POLICY}))
                if roles.policy is not None:
                    return roles.policy
        except ExportError:
            # Whoever serves this export has told what is wrong with it.
            continue
    return None


def _info(copy: Staged) -> ExportInfo:
    manifest = copy.manifest
    return ExportInfo(
        name=manifest.name,
        version=manifest.version,
        digest=copy.digest,
        verified=not copy.missing,
        trained_on=manifest.trained_on,
        metrics=manifest.numeric_metrics(),
    )


def _own_roles(copy: Staged, wanted: frozenset[str] = _ROLES) -> tuple[Roles, list[str]]:
    """Load those of the wanted roles that the export brings; one that fails is told and left out."""
    loaded, problems = dict[str, Any](), []
    for role in sorted(wanted):
        try:
            if (names := copy.manifest.of_role(role)) and (model := _LOADERS[role](copy, copy.root / names[0])):
                loaded[role] = model
        except RUNTIME_ERRORS as exc:
            problems.append(RoleFailed(copy.described.directory, role, first_line(exc)).reason)
    return Roles(forest=loaded.get(FOREST), regressor=loaded.get(REGRESSOR), policy=loaded.get(POLICY)), problems


def _policy(copy: Staged, path: Path) -> PolicyModel | None:
    """Return the policy once it was tried and held against its golden samples. Raises any of `RUNTIME_ERRORS`."""
    if copy.manifest.policy is None:
        return None
    model = PolicyModel(spec=copy.manifest.policy, data=path.read_bytes(), digest=copy.digest)
    tried = PlanPolicy(model)
    if names := copy.manifest.of_role(POLICY_GOLDEN):
        golden = _archive(copy, names[0], ("in_state", "out"))
        difference = _farthest(tried.answer(golden["in_state"]), golden["out"])
        if not difference <= copy.manifest.golden.tolerance:
            raise ValueError(f"golden samples differ by {difference:.3g}")
    return model


_LOADERS: dict[str, Callable[[Staged, Path], Forest | Regressor | PolicyModel | None]] = {
    FOREST: lambda copy, path: Forest(path, copy.manifest.forest) if copy.manifest.forest else None,
    REGRESSOR: lambda copy, path: Regressor(path, copy.manifest.regressor) if copy.manifest.regressor else None,
    POLICY: _policy,
}


def _borrow(
    own: Roles, directory: Path | None, defaults: Path | None, staging: Path | None
) -> tuple[Roles, dict[str, str], list[str]]:
    """Return the roles with missing ones taken from the default export, whose they are, and what went wrong."""
    brought = {FOREST: own.forest, REGRESSOR: own.regressor, POLICY: own.policy}
    missing = frozenset(role for role, model in brought.items() if model is None)
    if not missing or defaults is None or defaults == directory or not defaults.is_dir():
        return own, {}, []
    try:
        with staged(describe(defaults), staging, missing | {POLICY_GOLDEN}) as copy:
            theirs, problems = _own_roles(copy, missing)
    except ExportError as exc:
        return own, {}, [f"the default export cannot help out: {exc.reason}"]
    roles = Roles(
        forest=own.forest or theirs.forest,
        regressor=own.regressor or theirs.regressor,
        policy=own.policy or theirs.policy,
    )
    lent = {FOREST: theirs.forest, REGRESSOR: theirs.regressor, POLICY: theirs.policy}
    return roles, {role: copy.digest for role in sorted(missing) if lent[role]}, problems


def _serving(copy: Staged, lanes: Sequence[str], roles: Roles) -> tuple[Predictor | None, list[LaneFailed]]:
    """Return the first lane that passes every check, and why those before it did not."""
    directory, files, failures = copy.described.directory, copy.manifest.predictors(), list[LaneFailed]()
    golden = _golden(copy)
    for lane in (lane for lane in lanes if lane in files):
        try:
            return _predictor(copy, lane, copy.root / files[lane], roles, golden), failures
        except LaneFailed as exc:
            failures.append(exc)
        except ImportError as exc:
            failures.append(LaneFailed(directory, lane, f"{exc}, install it or export another lane"))
    if files and not failures:
        failures.append(LaneFailed(directory, "/".join(files), f"the settings allow {', '.join(lanes) or 'none'}"))
    return None, failures


def _predictor(copy: Staged, lane: str, path: Path, roles: Roles, golden: Mapping[str, Array] | None) -> Predictor:
    """Build a lane, warm it and hold it against the golden samples."""
    directory = copy.described.directory
    try:
        built = LANES[lane](path)
        manifest = _with_inputs(copy, built)
        _check_names(built, manifest)
        predictor = Predictor(built, manifest)
        for _ in range(WARM_RUNS):
            predictor.score(Sample(Features()), candidates(Features(), roles), None)
        difference = 0.0 if golden is None else _difference(built, manifest, golden)
    except PredictionFailed as exc:
        raise LaneFailed(directory, lane, first_line(exc)) from exc
    except RUNTIME_ERRORS as exc:
        raise LaneFailed(directory, lane, first_line(exc)) from exc
    # Written so that a difference that is no number fails too.
    if not difference <= manifest.golden.tolerance:
        raise GoldenMismatch(directory, lane, difference, manifest.golden.tolerance)
    return predictor


def _with_inputs(copy: Staged, lane: PredictorLane) -> Manifest:
    """Return the manifest; that of an older notebook learns its inputs from the model."""
    bare = copy.described.bare
    return with_inputs(copy.manifest, older_inputs(bare, lane)) if bare else copy.manifest


def _check_names(lane: PredictorLane, manifest: Manifest) -> None:
    listed, taken = [one.name for one in manifest.inputs], list(lane.input_names)
    # TorchScript takes its inputs by position; only ONNX keeps the names.
    if len(listed) != len(taken) or (lane.name == "onnx" and set(listed) != set(taken)):
        raise ValueError(f"it takes {', '.join(taken)}, the manifest lists {', '.join(listed)}")


def _golden(copy: Staged) -> dict[str, Array] | None:
    names = copy.manifest.of_role(GOLDEN)
    if not names:
        return None
    return _archive(copy, names[0], ("out", *(f"in_{one.name}" for one in copy.manifest.inputs)))


def _archive(copy: Staged, name: str, keys: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of an npz archive. Raises FileDamaged where it is none, or lacks one of the keys."""
    path = copy.root / name
    if not zipfile.is_zipfile(path):  # numpy would take a bare array too, and give something without names
        raise FileDamaged(copy.described.directory, name, "it is no npz archive")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {key: np.asarray(arrays[key], dtype=np.float32) for key in arrays.files}
    except _NUMPY_FAULTS as exc:
        raise FileDamaged(copy.described.directory, name, first_line(exc)) from exc
    for key in keys:
        if key not in found:
            raise FileDamaged(copy.described.directory, name, f"it holds no array {key}")
    return found


def _difference(lane: PredictorLane, manifest: Manifest, golden: Mapping[str, Array]) -> float:
    return _farthest(lane.run({one.name: golden[f"in_{one.name}"] for one in manifest.inputs}), golden["out"])


def _farthest(output: Array, expected: Array) -> float:
    """Return the largest difference from the golden output, relative where that exceeds 1."""
    if output.shape != expected.shape:
        raise ValueError(f"golden output has shape {expected.shape}, the model answers {output.shape}")
    return float(np.max(np.abs(output - expected) / np.maximum(np.abs(expected), 1.0)))
