"""Exports of older notebooks carry a bare `model_info.json`; here it becomes a manifest like any other.

A manifest without the key `format` is bare. Of it we read, all optional:

- `name` (or `model_name`), `version`, `created` (ISO 8601), `trained_on`, `metrics` (numbers only);
- `signature`: `image+params` (two inputs: image [N, 3, 224, 224], RGB with ImageNet mean and std, and params [N, 8]) or
  `vector` (one input [N, features + 8]); without it the model itself is asked how many inputs it takes;
- `features` (or `feature_names`): the features of a vector in order; without it the first ones of `FEATURE_NAMES`, as
  many as the model takes;
- `mean` and `std`: how the vector's features are normalised; without them they are raw, a missing one being 0.

Files: `quality_predictor.onnx` and `quality_predictor.pt`, or else the only file with that suffix. Others are not
looked at, for nothing would say how to use them.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from models._manifest import (
    LANE_OF_SUFFIX,
    MANIFEST_NAME,
    PREDICTOR,
    FeaturesInput,
    FileEntry,
    FlatInput,
    Input,
    Manifest,
    Parameter,
    PlansInput,
    ThumbnailInput,
    numbers,
)
from router import FEATURE_NAMES

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_SIZE = 224
# The eight parameters in their order, with the scale each is divided by. The notebooks knew no mode "none"; it draws
# straight lines as polygon does, so it takes polygon's code.
OLDER_PARAMETERS = (
    Parameter(name="color_precision", scale=10.0),
    Parameter(name="corner_threshold", scale=100.0),
    Parameter(name="length_threshold", scale=10.0),
    Parameter(name="max_iterations", scale=20.0),
    Parameter(name="splice_threshold", scale=100.0),
    Parameter(name="path_precision", scale=16.0),
    Parameter(name="layer_difference", scale=32.0),
    Parameter(name="mode", codes={"spline": 0.0, "polygon": 1.0, "none": 1.0}),
)

Signature = Literal["image+params", "vector"]


class Bare(msgspec.Struct, frozen=True, kw_only=True):
    """What a bare manifest may say; text that is something else counts as not said."""

    name: Any = None
    model_name: Any = None
    version: Any = ""
    created: Any = None
    trained_on: Any = None
    metrics: Any = None
    signature: Signature | None = None
    features: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class Shape(Protocol):
    """What a loaded model tells of its inputs: their names in order, and the width of a vector (None: unknown)."""

    @property
    def input_names(self) -> tuple[str, ...]: ...
    @property
    def vector_width(self) -> int | None: ...


def is_bare(data: bytes) -> bool:
    """Tell whether this is a manifest without a format number.

    Raises:
        ValueError: it is not a JSON object.
    """
    return "format" not in msgspec.json.decode(data, type=dict[str, msgspec.Raw])


def bare_manifest(data: bytes, directory: Path, modified: float) -> tuple[Manifest, Bare]:
    """Return the manifest of a bare export, still without inputs (`older_inputs` adds them once the model is loaded).

    Raises:
        ValueError: a key of the bare manifest has a wrong type.
        OSError: the directory cannot be listed.
    """
    bare = msgspec.json.decode(data, type=Bare)
    manifest = Manifest(
        format=0,
        name=_text(bare.name) or _text(bare.model_name) or directory.name,
        version=str(bare.version),
        created=_time(bare.created) or datetime.fromtimestamp(modified, UTC),
        trained_on=_text(bare.trained_on),
        files={name: FileEntry(role=PREDICTOR) for name in _predictor_files(directory)},
        inputs=(PlansInput(name="params", parameters=OLDER_PARAMETERS),),
        outputs={"quality": 0},
        metrics=dict(numbers(bare.metrics)),
    )
    return manifest, bare


def older_inputs(bare: Bare, model: Shape) -> tuple[Input, ...]:
    """Return the inputs of an older signature, under the names that the model uses.

    Raises:
        ValueError: the model takes neither one nor two inputs, or its width fits no list of features.
    """
    names = model.input_names
    signature = bare.signature or ("image+params" if len(names) == 2 else "vector")
    if len(names) != (2 if signature == "image+params" else 1):
        raise ValueError(f"signature {signature} does not fit a model with {len(names)} inputs")
    if signature == "image+params":
        return _image_and_params(names)
    features = _vector_features(bare, model.vector_width)
    part = FeaturesInput(
        names=features, mean=bare.mean or (0.0,) * len(features), std=bare.std or (1.0,) * len(features)
    )
    return (FlatInput(name=names[0], parts=(part, PlansInput(parameters=OLDER_PARAMETERS))),)


def _image_and_params(names: tuple[str, ...]) -> tuple[Input, ...]:
    image = ThumbnailInput(
        name=names[0], size=IMAGENET_SIZE, channels="rgb", mean=IMAGENET_MEAN, std=IMAGENET_STD, repeat=True
    )
    return (image, PlansInput(name=names[1], parameters=OLDER_PARAMETERS))


def _vector_features(bare: Bare, width: int | None) -> tuple[str, ...]:
    if named := bare.features or bare.feature_names:
        return named
    if width is None or not 0 <= width - len(OLDER_PARAMETERS) <= len(FEATURE_NAMES):
        raise ValueError(f"a vector of width {width} needs the key features to name what it holds")
    return FEATURE_NAMES[: width - len(OLDER_PARAMETERS)]


def _predictor_files(directory: Path) -> list[str]:
    present = sorted(path.name for path in directory.iterdir() if path.is_file() and path.name != MANIFEST_NAME)
    found = []
    for suffix in LANE_OF_SUFFIX:
        own = [name for name in present if name.endswith(suffix)]
        known = f"quality_predictor{suffix}"
        if known in own or len(own) == 1:
            found.append(known if known in own else own[0])
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
