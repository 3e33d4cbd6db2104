"""A plan runs here: pixels in, SVG text out. Native code that may panic or exit, so callers use a worker."""

import re
import time

import cv2
import msgspec
import numpy as np
import vtracer

from converter._alpha import Level, cut_alpha, levels
from converter._colors import NO_COLORS, Colors, flat_colors
from converter._compact import compact
from converter._preprocess import prepare
from converter._smooth import HALF_PIXELS, NATIVE_TOLERANCE, smoothed
from converter.errors import ConversionFailed
from router import Plan
from router.pixels import HALF, Pixels, is_opaque

FINEST_PRECISION = 8
_PATH = re.compile(r"<path [^>]*/>")


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """What running a plan gave: SVG text, the seconds from decoded pixels to that text, and its number of paths."""

    svg: str
    seconds: float
    path_count: int


def run_plan(pixels: Pixels, plan: Plan) -> Traced:
    """Convert decoded pixels with a plan, in this process.

    Raises:
        ConversionFailed: VTracer refused or panicked.
        ResultTooLarge: the plan enlarges the image beyond what is traced.
    """
    started = time.perf_counter()
    paths = _paths(pixels, plan)
    svg = _document(paths, pixels.shape[1], pixels.shape[0], plan.upscale * _units(plan))
    return Traced(svg=svg, seconds=time.perf_counter() - started, path_count=svg.count("<path "))


def _paths(pixels: Pixels, plan: Plan) -> str:
    ready = prepare(pixels, plan)
    flat = flat_colors(pixels) if plan.mode == "smooth" else NO_COLORS
    if plan.matte == "none":
        return _trace(ready, plan, flat)
    if plan.matte == "bands" and not is_opaque(ready):
        return _banded(ready, plan, flat, levels(pixels, plan))
    return _cut(ready, plan, flat, HALF)


def _cut(ready: Pixels, plan: Plan, flat: Colors, threshold: int) -> str:
    cut = cut_alpha(ready, threshold)
    return _trace(cut, plan, flat) if cut[..., 3].any() else ""


def _banded(ready: Pixels, plan: Plan, flat: Colors, stacked: list[Level]) -> str:
    """Trace one layer per level of alpha, from the faintest up, with the opacity that is still missing."""
    layers = []
    reached = 0.0
    for level in stacked:
        paths = _cut(ready, plan, flat, level.threshold)
        opacity = (level.opacity - reached) / (1 - reached)
        if paths:
            layers.append(paths if opacity >= 1 else f'<g opacity="{opacity:.3f}">\n{paths}</g>\n')
        reached = level.opacity
    return "".join(layers)


def _trace(pixels: Pixels, plan: Plan, flat: Colors) -> str:
    """Return the traced paths, one a line.

    One empty row is put on top of an image with transparency: VTracer looks for transparent pixels on five scan lines
    and, where it finds few, paints all transparency black.
    """
    pad = 0 if is_opaque(pixels) else 1
    framed = np.pad(pixels, ((pad, 0), (0, 0), (0, 0))) if pad else pixels
    traced = _PATH.findall(_vtracer(framed, plan))
    found = _smooth(traced, plan, flat) if plan.mode == "smooth" else [compact(path) for path in traced]
    body = "\n".join(found)
    if not found:
        return ""
    return f'<g transform="translate(0,-{pad * _units(plan)})">\n{body}\n</g>\n' if pad else f"{body}\n"


def _smooth(traced: list[str], plan: Plan, flat: Colors) -> list[str]:
    if _keeps_threads(plan):
        return smoothed(traced, flat, plan.filter_speckle, NATIVE_TOLERANCE)
    return smoothed(traced, flat)


def _vtracer(pixels: Pixels, plan: Plan) -> str:
    # BMP: nothing is compressed only to be decompressed; OpenCV wants blue first.
    _, encoded = cv2.imencode(".bmp", cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA))
    try:
        svg: str = vtracer.convert_raw_image_to_svg(
            encoded.tobytes(),
            img_format="bmp",
            colormode=plan.colormode,
            hierarchical=plan.hierarchical,
            mode="none" if plan.mode == "smooth" else plan.mode,
            filter_speckle=0 if _keeps_threads(plan) else plan.filter_speckle,
            color_precision=_precision(plan),
            layer_difference=plan.layer_difference,
            corner_threshold=plan.corner_threshold,
            length_threshold=plan.length_threshold,
            max_iterations=plan.max_iterations,
            splice_threshold=plan.splice_threshold,
            path_precision=plan.path_precision,
        )
    except BaseException as exc:
        # pyo3 raises a Rust panic as PanicException, which derives from BaseException and cannot be imported; what the
        # tracer refuses comes as a bare Exception.
        refused = type(exc) is Exception or isinstance(exc, ValueError | OSError | RuntimeError)
        if type(exc).__name__ != "PanicException" and not refused:
            raise
        raise ConversionFailed(f"VTracer: {str(exc).splitlines()[0] if str(exc) else 'panic'}") from exc
    return svg


def _keeps_threads(plan: Plan) -> bool:
    """Tell whether VTracer is to leave no speckles out: beside them it drops all that is one pixel wide.

    At native size such are strokes and letters. Enlarged ones are wider; what is left that thin are soft edges.
    """
    return plan.upscale == 1 and plan.mode == "smooth" and plan.hierarchical == "stacked"


def _precision(plan: Plan) -> int:
    """Return how finely VTracer tells colours apart, bits: of a reduced image every colour is meant.

    It lets neighbours flow together that differ by less than two units of this precision, and where a palette holds
    soft edges one after the other they all do.
    """
    return FINEST_PRECISION if plan.palette else plan.color_precision


def _units(plan: Plan) -> int:
    """Return how many units of a path make one traced pixel."""
    return HALF_PIXELS if plan.mode == "smooth" else 1


def _document(paths: str, width: int, height: int, units: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width * units} {height * units}">\n{paths}</svg>\n'
    )
