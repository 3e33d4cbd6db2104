"""An export is written here: networks as ONNX and TorchScript that agree, trees as ONNX, goldens, the manifest last."""

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import skl2onnx
import sklearn
import torch
from numpy.typing import NDArray
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator

from router import FEATURE_NAMES
from router.formulas import STEPS
from training._fit import MATTE_CODES, MODE_CODES, NUMBERS, PALETTE_CODES, Fitted, outputs
from training._forest import BUDGETS, TARGETS
from training._learn import Scaling
from training._network import OUTPUTS, Predictor
from training._policyfile import POLICY_FILES, TrainedPolicy, write_policy_files
from training._run import THUMBNAIL
from training._tables import DIGITS, LOG2_COLUMNS, LOG_FEATURES, PLAN_CODES, PLAN_COLUMNS, Array
from training._trees import ML_DOMAIN, ML_OPSET

REGRESSOR = "plan_regressor.onnx"
INPUTS = ("features", "thumbnail", "has_thumbnail", "plans")
ROLES = {
    "quality_predictor.onnx": "predictor",
    "quality_predictor.pt": "predictor",
    "base_forest.onnx": "base_forest",
    REGRESSOR: "plan_regressor",
    "golden.npz": "golden",
    **POLICY_FILES,
}
TOLERANCE = 1e-4
OPSET = 17
# What skl2onnx writes of trees though it is what runtimes assume: an eighth of a forest.
SUPERFLUOUS = frozenset({"nodes_hitrates", "nodes_missing_value_tracks_true"})


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that training produced, ready to be written.

    `regressor` and `policy` are ONNX already: an export keeps the very ones whose plans were labelled, and the
    regressor knows the features that there were then. `fill` has a value for each of today's.
    """

    regressor: bytes
    fill: Array
    regressor_features: tuple[str, ...] = FEATURE_NAMES
    trained_on: str
    predictor: Predictor | None = None
    scale: Scaling | None = None
    sample: tuple[Array, Array, Array] | None = None  # features [1, F], thumbnail [1, 4, S, S], plans [N, P]
    forest: Any = None
    methods: tuple[str, ...] = ()
    policy: TrainedPolicy | None = None
    metrics: dict[str, float] = {}
    metrics_per_family: dict[str, dict[str, float]] = {}


def write_export(trained: Trained, folder: Path, *, name: str, created: datetime) -> None:
    """Write an export beside its target, then put it in place by renames; a reader never sees half of one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        if trained.predictor is not None and trained.sample is not None:
            _write_networks(trained.predictor, trained.sample, building)
        if trained.forest is not None:
            (building / "base_forest.onnx").write_bytes(trees_as_onnx(trained.forest, len(FEATURE_NAMES) + 2))
        (building / REGRESSOR).write_bytes(trained.regressor)
        if trained.policy is not None:
            write_policy_files(trained.policy, building)
        manifest = _manifest(trained, building, name, created)
        (building / "model_info.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        building.chmod(0o755)
        _replace(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _replace(building: Path, folder: Path) -> None:
    """Move the files in one by one, the manifest last: it is the commit marker."""
    folder.mkdir(exist_ok=True)
    names = sorted((p.name for p in building.iterdir()), key=lambda n: n == "model_info.json")
    for name in names:
        (building / name).replace(folder / name)


def _write_networks(network: Predictor, sample: tuple[Array, Array, Array], folder: Path) -> None:
    features, thumbnail, plans = sample
    arrays = (features, thumbnail, np.ones((1, 1), np.float32), plans)
    example = tuple(torch.tensor(array) for array in arrays)
    with torch.no_grad():
        # What the trained network itself answers: both exports are held to it, not to themselves.
        out = network.eval()(*example).numpy()
    np.savez_compressed(folder / "golden.npz", out=out, **{f"in_{n}": a for n, a in zip(INPUTS, arrays, strict=True)})  # type: ignore[arg-type]
    with warnings.catch_warnings():
        # TorchScript is deprecated, and it is what the contract asks for beside ONNX.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Neither frozen nor folded: both would write weights of eight bits out as floats.
        torch.jit.trace(network, example).save(str(folder / "quality_predictor.pt"))
        torch.onnx.export(
            network,
            example,
            str(folder / "quality_predictor.onnx"),
            input_names=list(INPUTS),
            output_names=["out"],
            dynamic_axes={"plans": {0: "candidates"}, "out": {0: "candidates"}},
            opset_version=OPSET,
            custom_opsets={ML_DOMAIN: ML_OPSET},
            do_constant_folding=False,
            dynamo=False,
        )
    onnx.checker.check_model(str(folder / "quality_predictor.onnx"))


def trees_as_onnx(model: BaseEstimator, width: int) -> bytes:
    """Return a scikit-learn forest that takes rows of `width` numbers as ONNX."""
    options = {"zipmap": False} if hasattr(model, "predict_proba") else {}
    converted = skl2onnx.convert_sklearn(
        model,
        initial_types=[("features", FloatTensorType([None, width]))],
        options={id(model): options} if options else None,
        target_opset=OPSET,
    )
    for node in converted.graph.node:
        kept = [attribute for attribute in node.attribute if attribute.name not in SUPERFLUOUS]
        del node.attribute[:]
        node.attribute.extend(kept)
    return bytes(converted.SerializeToString())


def regressor_as_onnx(fitted: Fitted, width: int) -> bytes:
    """Return a plan regressor as ONNX; one that prices archetypes answers the outputs of the cheapest of them."""
    answer = trees_as_onnx(fitted.model, width)
    if fitted.archetypes is None:
        return answer
    model = onnx.load_from_string(answer)
    prices = model.graph.output[0].name
    plans = np.array([outputs(plan) for plan in fitted.archetypes], dtype=np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(plans, "archetypes"))
    # A network's prices come as one column, row by row.
    each = np.array([-1, len(plans)], dtype=np.int64)
    model.graph.initializer.append(onnx.numpy_helper.from_array(each, "prices_of_a_row"))
    model.graph.node.extend(
        [
            onnx.helper.make_node("Reshape", [prices, "prices_of_a_row"], ["prices"]),
            onnx.helper.make_node("ArgMin", ["prices"], ["cheapest"], axis=1, keepdims=0),
            onnx.helper.make_node("Gather", ["archetypes", "cheapest"], ["plan"], axis=0),
        ]
    )
    del model.graph.output[:]
    shape = [None, plans.shape[1]]
    model.graph.output.append(onnx.helper.make_tensor_value_info("plan", onnx.TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _manifest(trained: Trained, folder: Path, name: str, created: datetime) -> dict[str, Any]:
    features = _features(FEATURE_NAMES)
    return {
        "format": 1,
        "name": name,
        "version": created.strftime("%Y.%m.%d"),
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "trained_on": trained.trained_on,
        "files": {file: _file(folder / file, role) for file, role in ROLES.items() if (folder / file).exists()},
        **(_predictor_parts(features, trained.scale) if trained.scale is not None else {}),
        **(
            {
                "forest": {
                    **_filled(FEATURE_NAMES, trained.fill),
                    "targets": TARGETS,
                    "budgets": BUDGETS,
                    "methods": trained.methods,
                }
            }
            if trained.forest is not None
            else {}
        ),
        "regressor": {
            **_filled(trained.regressor_features, trained.fill),
            "ladder": STEPS,
            "parameters": _plan_outputs(),
        },
        **({"policy": trained.policy.spec} if trained.policy is not None else {}),
        "metrics": trained.metrics,
        "metrics_per_family": trained.metrics_per_family,
        "limits": {"max_ms": 50.0},
        "frameworks": {"torch": str(torch.__version__), "scikit-learn": sklearn.__version__, "onnx": onnx.__version__},
    }


def _features(names: tuple[str, ...]) -> dict[str, Any]:
    return {"names": names, "log1p": [name for name in names if name in LOG_FEATURES]}


def _filled(names: tuple[str, ...], fill: Array) -> dict[str, Any]:
    """Return features with what stands for one that was not measured; `fill` is in the order of `FEATURE_NAMES`."""
    return {**_features(names), "fill": _list(fill[[FEATURE_NAMES.index(name) for name in names]])}


def _predictor_parts(features: dict[str, Any], scale: Scaling) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": "features", "kind": "features", **features, "mean": _list(scale.mean), "std": _list(scale.std)},
            {
                "name": "thumbnail",
                "kind": "thumbnail",
                "size": THUMBNAIL,
                "channels": "rgba",
                "scale": 255.0,
                "mean": _list(scale.channel_mean),
                "std": _list(scale.channel_std),
            },
            {"name": "has_thumbnail", "kind": "has_thumbnail"},
            {"name": "plans", "kind": "plans", "parameters": [_parameter(n, s) for n, s in PLAN_COLUMNS.items()]},
        ],
        "outputs": {output: column for column, output in enumerate(OUTPUTS)},
        "output_transforms": dict.fromkeys(OUTPUTS[2:], "exp"),
        "golden": {"tolerance": TOLERANCE},
    }


def _parameter(name: str, scale: float) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "scale": scale}
    if name in PLAN_CODES:
        parameter["codes"] = PLAN_CODES[name]
    if name in LOG2_COLUMNS:
        parameter["log2"] = True
    return parameter


def _plan_outputs() -> list[dict[str, Any]]:
    coded: dict[str, Mapping[Any, float]] = {"palette": PALETTE_CODES, "matte": MATTE_CODES, "mode": MODE_CODES}
    bounds = {"denoise": (0, 3), "color_precision": (4, 8), "filter_speckle": (1, 8), "layer_difference": (0, 64)}
    return [
        *({"name": n, "codes": {str(k): v for k, v in codes.items()}} for n, codes in coded.items()),
        *({"name": n, "low": bounds[n][0], "high": bounds[n][1], "integer": True} for n in NUMBERS),
    ]


def _file(path: Path, role: str) -> dict[str, Any]:
    data = path.read_bytes()
    return {"role": role, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _list(values: Array | NDArray[np.float64]) -> list[float]:
    return [round(float(v), DIGITS) for v in values]
