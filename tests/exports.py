"""Small real exports, written in milliseconds; the tests of models and daemon share them.

`write_export` makes an export of format 1 whose predictor is a plain linear map, so a test knows what it answers;
`write_older_export` makes the bare ones of older notebooks, `slow_predictor` one that runs until it is cancelled.
"""

import functools
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from router import Method

Array = NDArray[np.float32]

FEATURES = ("complexity_score", "unique_colors", "edge_density", "image_area")
LOG1P = ("unique_colors", "image_area")
MEAN, STD = (0.5, 5.0, 0.1, 11.0), (0.2, 2.0, 0.1, 1.5)
THUMBNAIL = 8
METHODS: tuple[Method, ...] = ("performance", "feature_mapping", "regression")
PARAMETERS: list[dict[str, Any]] = [
    {"name": "upscale", "scale": 4.0, "log2": False},
    {"name": "mode", "codes": {"spline": 0, "polygon": 1, "none": 2}, "scale": 1.0},
    {"name": "method", "codes": {"performance": 0, "feature_mapping": 1, "regression": 2, "ppo": 3}},
]
OUTPUTS = {"quality": 0, "quality_error": 1, "seconds": 2, "seconds_high": 3, "svg_bytes": 4, "svg_bytes_high": 5}
TRANSFORMS = {"seconds": "exp", "seconds_high": "exp", "svg_bytes": "exp", "svg_bytes_high": "exp"}
# Finer plans reach more and cost more: per input and per output, what one unit adds.
BIAS = np.array([0.85, 0.02, -4.0, -3.5, 8.0, 8.5], dtype=np.float32)
FEATURE_WEIGHTS = np.array([[-0.01, 0, 0.1, 0.1, 0.1, 0.1]] * len(FEATURES), dtype=np.float32)
PLAN_WEIGHTS = np.array(
    [[0.12, -0.01, 3.0, 3.0, 1.0, 1.0], [0.01, 0, -0.1, -0.1, -0.5, -0.5], [0.01, 0, 0.1, 0.1, 0, 0]], dtype=np.float32
)
THUMBNAIL_WEIGHTS = np.array([[0.02, 0, 0.1, 0.1, 0.1, 0.1]] * 4, dtype=np.float32)
# A policy of two attempts whose first answer is the plan with 4 colours one step finer, and whose second is to stop.
POLICY: dict[str, Any] = {
    "names": FEATURES,
    "log1p": LOG1P,
    "mean": MEAN,
    "std": STD,
    "parameters": [{"name": "upscale", "scale": 2.0, "log2": True}, {"name": "palette", "scale": 64.0}],
    "attempts": 3,
    "moves": [
        {"name": "stop", "choices": ["go", "stop"]},
        {"name": "upscale", "choices": ["keep", "coarser", "finer"]},
        {"name": "palette", "choices": ["keep", "0", "4"]},
        {"name": "mode", "choices": ["keep", "spline"]},
    ],
}
POLICY_WIDTH = len(FEATURES) + 3 * (5 + 2)
POLICY_BIAS = np.array([[0.0, -1.0, 0.0, -2.0, 1.0, 0.0, -2.0, 1.0, 0.5, 0.0]], dtype=np.float32)
INPUT_NAMES = ("features", "thumbnail", "plans")


def expected(features: Array, thumbnail: Array, plans: Array) -> Array:
    """Return what the linear predictor answers, computed by numpy."""
    mean = thumbnail.mean(axis=(2, 3))
    answer = plans @ PLAN_WEIGHTS + (features @ FEATURE_WEIGHTS + mean @ THUMBNAIL_WEIGHTS + BIAS)
    return np.asarray(answer, dtype=np.float32)


def write_export(
    directory: Path,
    *,
    lanes: Sequence[str] = ("onnx",),
    forest: bool = True,
    regressor: bool = True,
    policy: bool = False,
    golden: bool = True,
    name: str = "test",
    version: str = "1",
    created: str = "2026-01-02T03:04:05Z",
    bias: float = 0.0,
    change: Callable[[dict[str, Any]], None] = lambda info: None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write an export of format 1 and return its directory.

    `bias` moves every predicted quality, so that two exports can be told apart; `files` replaces files before they are
    hashed; `change` edits the manifest last, so a test can make it lie. The manifest is written last.
    """
    directory.mkdir(parents=True, exist_ok=True)
    contents: dict[str, tuple[str, bytes]] = {}
    if "onnx" in lanes:
        contents["quality_predictor.onnx"] = ("predictor", linear_onnx(bias))
    if "torchscript" in lanes:
        contents["quality_predictor.pt"] = ("predictor", linear_torchscript(bias))
    if forest:
        contents["base_forest.onnx"] = ("base_forest", forest_onnx())
    if regressor:
        contents["plan_regressor.onnx"] = ("plan_regressor", regressor_onnx())
    if policy:
        contents["policy.onnx"] = ("policy", policy_onnx())
        contents["policy_golden.npz"] = ("policy_golden", policy_golden_npz(directory))
    if golden and lanes:
        contents["golden.npz"] = ("golden", golden_npz(directory, bias))
    for file, data in (files or {}).items():
        contents[file] = (contents[file][0], data)
    for file, (_, data) in contents.items():
        (directory / file).write_bytes(data)
    info = manifest(contents, name=name, version=version, created=created)
    change(info)
    (directory / "model_info.json").write_text(json.dumps(info), encoding="utf-8")
    return directory


def manifest(contents: Mapping[str, tuple[str, bytes]], *, name: str, version: str, created: str) -> dict[str, Any]:
    """Return the manifest that fits the files."""
    info = {
        "format": 1,
        "name": name,
        "version": version,
        "created": created,
        "trained_on": "nothing, a linear map",
        "files": {
            file: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "role": role}
            for file, (role, data) in contents.items()
        },
        "inputs": [
            {"name": "features", "kind": "features", "names": FEATURES, "log1p": LOG1P, "mean": MEAN, "std": STD},
            {
                "name": "thumbnail",
                "kind": "thumbnail",
                "size": THUMBNAIL,
                "channels": "rgba",
                "scale": 255.0,
                "mean": [0.5] * 4,
                "std": [0.25] * 4,
            },
            {"name": "plans", "kind": "plans", "parameters": PARAMETERS},
        ],
        "outputs": OUTPUTS,
        "output_transforms": TRANSFORMS,
        "forest": {
            "names": FEATURES,
            "log1p": LOG1P,
            "fill": [0.5, 100.0, 0.1, 65536.0],
            "targets": [0.9, 0.95, 0.98, 1.0],
            "budgets": [0.03, 0.1, 0.3, 10.0],
            "methods": METHODS,
        },
        "regressor": {
            "names": FEATURES,
            "log1p": LOG1P,
            "fill": [0.5, 100.0, 0.1, 65536.0],
            "ladder": [1, 2, 3, 4],
            "parameters": [
                {"name": "color_precision", "low": 1, "high": 8, "integer": True},
                {"name": "mode", "codes": {"spline": 0, "polygon": 1}},
                {"name": "length_threshold", "low": 3.5, "high": 10},
            ],
        },
        "policy": POLICY,
        "golden": {"tolerance": 1e-4},
        "metrics": {"pearson": 0.9, "mae": 0.01},
        "limits": {"max_ms": 50.0},
        "frameworks": {"onnx": onnx.__version__},
    }
    # A copy of its own for each caller, who may then make it lie.
    copy: dict[str, Any] = json.loads(json.dumps(info))
    return copy


def golden_npz(directory: Path, bias: float = 0.0) -> bytes:
    """Return golden samples of the linear predictor, five plans on one image."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=(1, len(FEATURES))).astype(np.float32)
    thumbnail = rng.normal(size=(1, 4, THUMBNAIL, THUMBNAIL)).astype(np.float32)
    plans = rng.uniform(size=(5, len(PARAMETERS))).astype(np.float32)
    out = expected(features, thumbnail, plans)
    out[:, 0] += bias
    path = directory / "golden.npz"
    np.savez(path, in_features=features, in_thumbnail=thumbnail, in_plans=plans, out=out)
    return path.read_bytes()


@functools.cache
def linear_onnx(bias: float = 0.0, *, wide: int = 0) -> bytes:
    """Return the linear predictor as ONNX; `wide` adds a chain of that many large products that change nothing."""
    k = len(OUTPUTS)
    moved = BIAS + np.array([bias] + [0.0] * (k - 1), dtype=np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "wf"], ["f"]),
        helper.make_node("ReduceMean", ["thumbnail"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "wt"], ["t"]),
        helper.make_node("MatMul", ["plans", "wp"], ["p"]),
        helper.make_node("Sum", ["f", "t", "p", "b"], ["sum"]),
    ]
    weights = {"wf": FEATURE_WEIGHTS, "wt": THUMBNAIL_WEIGHTS, "wp": PLAN_WEIGHTS, "b": moved[np.newaxis]}
    if wide:
        nodes += _products(wide)
        weights |= {"side": np.eye(SLOW_SIDE, dtype=np.float32), "zero": np.zeros((1, 1), dtype=np.float32)}
    nodes.append(
        helper.make_node("Add", ["sum", "nothing"], ["out"]) if wide else helper.make_node("Identity", ["sum"], ["out"])
    )
    inputs = {
        "features": (1, len(FEATURES)),
        "thumbnail": (1, 4, THUMBNAIL, THUMBNAIL),
        "plans": ("N", len(PARAMETERS)),
    }
    return onnx_bytes(nodes, inputs, {"out": ("N", k)}, weights)


# One product of two such squares takes about 50 ms on one core, so a cancelled run stops within that.
SLOW_SIDE = 1024


def slow_predictor(products: int = 400) -> bytes:
    """Return the linear predictor with useless work in many nodes, some 20 ms each: something to cancel.

    Inside an export keep `products` below 10, for loading runs it four times.
    """
    return linear_onnx(wide=products)


def _products(count: int) -> list[onnx.NodeProto]:
    # The chain depends on an input, or the runtime would compute it once while loading.
    nodes = [
        helper.make_node("ReduceSum", ["features"], ["scalar"], keepdims=1),
        helper.make_node("Mul", ["side", "scalar"], ["m0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"m{i}", "side"], [f"m{i + 1}"]) for i in range(count)]
    nodes += [
        helper.make_node("ReduceMax", [f"m{count}"], ["peak"], keepdims=0),
        helper.make_node("Mul", ["peak", "zero"], ["nothing"]),
    ]
    return nodes


@functools.cache
def linear_torchscript(bias: float = 0.0) -> bytes:
    """Return the linear predictor as TorchScript."""
    import torch

    class Linear(torch.nn.Module):
        f: torch.Tensor
        t: torch.Tensor
        p: torch.Tensor
        b: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            moved = BIAS + np.array([bias] + [0.0] * (len(OUTPUTS) - 1), dtype=np.float32)
            for name, value in (("f", FEATURE_WEIGHTS), ("t", THUMBNAIL_WEIGHTS), ("p", PLAN_WEIGHTS), ("b", moved)):
                setattr(self, name, torch.nn.Parameter(torch.from_numpy(value), requires_grad=False))

        def forward(self, features: torch.Tensor, thumbnail: torch.Tensor, plans: torch.Tensor) -> torch.Tensor:
            fixed = features @ self.f + thumbnail.mean(dim=(2, 3)) @ self.t + self.b
            return plans @ self.p + fixed

    example = (torch.zeros(1, len(FEATURES)), torch.zeros(1, 4, THUMBNAIL, THUMBNAIL), torch.zeros(3, len(PARAMETERS)))
    return torchscript_bytes(Linear(), example)


def torchscript_bytes(module: Any, example: tuple[Any, ...]) -> bytes:
    """Return a traced module as it is saved."""
    import io

    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        trace: Callable[..., Any] = torch.jit.trace
        save: Callable[..., None] = torch.jit.save
        save(trace(module.eval(), example), buffer)
    return buffer.getvalue()


@functools.cache
def forest_onnx(methods: int = len(METHODS)) -> bytes:
    """Return a small random forest over the features, target and budget: tight budgets mean the first method."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(3)
    rows = rng.uniform(size=(300, len(FEATURES) + 2)).astype(np.float32)
    rows[:, -1] = rng.choice([0.03, 0.1, 0.3, 10.0], size=300)
    best = np.digitize(rows[:, -1], np.array([0.05, 1.0])[: methods - 1])
    forest = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0).fit(rows, best)
    model = to_onnx(forest, rows[:1], options={id(forest): {"zipmap": False}}, target_opset=17)
    data: bytes = model.SerializeToString()
    return data


@functools.cache
def regressor_onnx() -> bytes:
    """Return a regressor: colour precision 4 + upscale, mode 0.9 (polygon), length threshold 20 (out of bounds)."""
    weights = np.zeros((len(FEATURES) + 1, 3), dtype=np.float32)
    weights[-1, 0] = 1.0
    nodes = [helper.make_node("MatMul", ["X", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["out"])]
    bias = np.array([[4.0, 0.9, 20.0]], dtype=np.float32)
    return onnx_bytes(nodes, {"X": ("L", len(FEATURES) + 1)}, {"out": ("L", 3)}, {"w": weights, "b": bias})


@functools.cache
def policy_onnx() -> bytes:
    """Return a policy that goes on after one attempt and stops after two."""
    weights = np.zeros((POLICY_WIDTH, POLICY_BIAS.shape[1]), dtype=np.float32)
    weights[len(FEATURES) + 7, 1] = 5.0  # the second attempt was made
    nodes = [helper.make_node("MatMul", ["state", "w"], ["sw"]), helper.make_node("Add", ["sw", "b"], ["out"])]
    constants = {"w": weights, "b": POLICY_BIAS}
    return onnx_bytes(nodes, {"state": ("N", POLICY_WIDTH)}, {"out": ("N", POLICY_BIAS.shape[1])}, constants)


def policy_golden_npz(directory: Path, bias: float = 0.0) -> bytes:
    """Return golden samples of the policy; `bias` makes them wrong."""
    path = directory / "policy_golden.npz"
    out = np.repeat(POLICY_BIAS, 2, axis=0)
    np.savez(path, in_state=np.zeros((2, POLICY_WIDTH), dtype=np.float32), out=out + np.float32(bias))
    return path.read_bytes()


OLDER_FEATURES = 10  # the notebooks' vectors held the first ten features
OLDER_QUALITY = 0.75


def write_older_export(
    directory: Path, *, signature: str, lanes: Sequence[str] = ("onnx",), info: Mapping[str, Any] | None = None
) -> Path:
    """Write a bare export with signature `image+params` or `vector`; it answers 0.75 + 0.1 * color_precision / 10."""
    directory.mkdir(parents=True, exist_ok=True)
    make = {
        "image+params": (_older_image_onnx, _older_image_module),
        "vector": (_older_vector_onnx, _older_vector_module),
    }
    as_onnx, as_module = make[signature]
    if "onnx" in lanes:
        (directory / "quality_predictor.onnx").write_bytes(as_onnx())
    if "torchscript" in lanes:
        (directory / "quality_predictor.pt").write_bytes(as_module())
    (directory / "model_info.json").write_text(json.dumps(dict(info or {})), encoding="utf-8")
    return directory


def _older_image_onnx() -> bytes:
    weights = np.zeros((8, 1), dtype=np.float32)
    weights[0] = 0.1
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]),
        helper.make_node("Mul", ["column", "none"], ["ignored"]),
        helper.make_node("MatMul", ["params", "w"], ["p"]),
        helper.make_node("Sum", ["ignored", "p", "b"], ["quality"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "axis": np.array([1], dtype=np.int64),
        "none": np.zeros((1, 1), dtype=np.float32),
        "w": weights,
        "b": np.array([[OLDER_QUALITY]], dtype=np.float32),
    }
    return onnx_bytes(nodes, {"image": ("N", 3, 224, 224), "params": ("N", 8)}, {"quality": ("N", 1)}, constants)


def _older_vector_onnx() -> bytes:
    weights = np.zeros((OLDER_FEATURES + 8, 1), dtype=np.float32)
    weights[OLDER_FEATURES] = 0.1
    nodes = [helper.make_node("MatMul", ["input", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["quality"])]
    constants = {"w": weights, "b": np.array([[OLDER_QUALITY]], dtype=np.float32)}
    return onnx_bytes(nodes, {"input": ("N", OLDER_FEATURES + 8)}, {"quality": ("N", 1)}, constants)


def _older_image_module() -> bytes:
    import torch

    class Image(torch.nn.Module):
        def forward(self, image: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
            return OLDER_QUALITY + 0.1 * params[:, :1] + 0.0 * image.mean(dim=(1, 2, 3)).unsqueeze(1)

    return torchscript_bytes(Image(), (torch.zeros(2, 3, 224, 224), torch.zeros(2, 8)))


def _older_vector_module() -> bytes:
    import torch

    layer = torch.nn.Linear(OLDER_FEATURES + 8, 1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, OLDER_FEATURES] = 0.1
        layer.bias.fill_(OLDER_QUALITY)
    return torchscript_bytes(layer, (torch.zeros(2, OLDER_FEATURES + 8),))


Shape = tuple[int | str, ...]


def onnx_bytes(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    weights: Mapping[str, NDArray[Any]],
) -> bytes:
    """Return a checked ONNX model of float32 inputs and outputs."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
