"""A plan is everything one conversion needs; running it twice gives the same SVG."""

from typing import Literal

import msgspec

from router.errors import InvalidPlan

Matte = Literal["none", "binary", "bands"]
TraceMode = Literal["polygon", "spline", "none", "smooth"]

# Bounds of VTracer 0.6 and of our own preprocessing, inclusive (design: plans and methods).
PLAN_BOUNDS: dict[str, tuple[float, float]] = {
    "upscale": (1, 8),
    "palette": (0, 256),
    "denoise": (0, 3),
    "color_precision": (1, 8),
    "filter_speckle": (0, 16),
    "layer_difference": (0, 255),
    "corner_threshold": (0, 180),
    "length_threshold": (3.5, 10),
    "max_iterations": (1, 50),
    "splice_threshold": (0, 180),
    "path_precision": (0, 8),
}


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, order=True):
    """Preprocessing and VTracer parameters of one conversion.

    Preprocessing: `upscale` enlarges each side that many times (cubic, premultiplied); `matte` says how alpha is
    handled (`none`: as VTracer does, every pixel that is not fully transparent is opaque; `binary`: alpha is cut at
    one half, over bled colours; `bands`: soft alpha is traced in translucent layers); `palette` reduces the image to
    that many colours (0: off); `denoise` is the strength of the edge-preserving filter (0: off).

    The rest are VTracer's own parameters under its own names, but for the mode `smooth`: the outlines of `none` with
    their stair steps cut. A palette tells colours apart whatever `color_precision` says. Angles are degrees. Plans
    compare field by field, so that ties between candidates break the same way whatever their order.

    Raises:
        InvalidPlan: a parameter lies outside `PLAN_BOUNDS`.
    """

    upscale: int = 1
    matte: Matte = "binary"
    palette: int = 0
    denoise: int = 0
    mode: TraceMode = "polygon"
    hierarchical: Literal["stacked", "cutout"] = "stacked"
    colormode: Literal["color", "binary"] = "color"
    color_precision: int = 6
    filter_speckle: int = 4
    layer_difference: int = 16
    corner_threshold: int = 60
    length_threshold: float = 4.0
    max_iterations: int = 10
    splice_threshold: int = 45
    path_precision: int = 2

    def __post_init__(self) -> None:
        for name, (low, high) in PLAN_BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidPlan(name, value, low, high)


# What people run today: the Python binding's own defaults on the untouched image.
VTRACER_DEFAULTS = Plan(matte="none", mode="spline", path_precision=8)
