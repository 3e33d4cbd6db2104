"""Smooth outlines: steps of slopes go, corners stay, and a drawing is truer enlarged, in fewer bytes."""

import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter import quality, run_plan
from converter._colors import NO_COLORS, flat_colors
from converter._score import render, similarity
from converter._smooth import HALF_PIXELS, cut, smoothed
from converter._trace import _PATH, _vtracer
from router import Plan
from router._plan import Matte
from router.pixels import Pixels
from tests.converter.pictures import PICTURES, clear, shadowed

SMOOTH = Plan(mode="smooth", filter_speckle=1)


def outline(corners: list[tuple[int, int]]) -> str:
    """Return one ring as VTracer writes it."""
    return f'<path d="M{" L".join(f"{x},{y}" for x, y in corners)} Z " fill="#102030" transform="translate(0,0)"/>'


def of(*rings: list[tuple[int, int]]) -> list[list[list[int]]]:
    """Return the points, in half pixels, of rings whose steps were cut."""
    corners = np.array([corner for ring in rings for corner in ring], dtype=np.int32)
    points, counts = cut(corners, np.array([len(ring) for ring in rings]))
    return [part.tolist() for part in np.split(points, counts.cumsum()[:-1])]


RECTANGLE = [(0, 0), (9, 0), (9, 5), (0, 5)]
ELL = [(0, 0), (8, 0), (8, 3), (3, 3), (3, 8), (0, 8)]
PIXEL = [(4, 4), (5, 4), (5, 5), (4, 5)]
BAR = [(0, 0), (1, 0), (1, 7), (0, 7)]


@pytest.mark.parametrize("ring", [RECTANGLE, ELL, PIXEL, BAR], ids=["rectangle", "ell", "pixel", "bar"])
def test_the_corners_of_a_drawing_stay(ring: list[tuple[int, int]]) -> None:
    assert of(ring) == [[[HALF_PIXELS * x, HALF_PIXELS * y] for x, y in ring]]


def test_a_diagonal_runs_through_the_middles_of_its_steps() -> None:
    stairs = [(x + dx, x) for x in range(8) for dx in (0, 1)]
    points = of([*stairs, (8, 8), (8, 20), (0, 20)])[0]
    middles = [p for p in points if 2 < p[0] < 14 and p[1] < 16]
    assert len(middles) > 8
    assert {x - y for x, y in middles} == {1}


def test_rings_do_not_mix() -> None:
    assert of(RECTANGLE, PIXEL, ELL) == [*of(RECTANGLE), *of(PIXEL), *of(ELL)]


@pytest.mark.parametrize(("speckle", "left"), [(0, 3), (1, 2), (3, 2), (4, 1), (7, 0)])
def test_shapes_no_larger_than_a_speckle_are_left_out(speckle: int, left: int) -> None:
    ring = [(0, 0), (6, 0), (6, 6), (0, 6)]
    framed = outline(ring).replace(' Z "', ' Z M2,2 L2,4 L4,4 L4,2 Z "')  # a hole leaves a shape its size
    four = [(10, 0), (14, 0), (14, 4), (10, 4)]
    paths = [framed, outline(PIXEL), outline(four)]
    found = smoothed(paths, NO_COLORS, speckle)
    assert len(found) == left
    assert found == [one for path in paths for one in smoothed([path], NO_COLORS, speckle)]


def test_a_stroke_of_one_pixel_is_no_speckle() -> None:
    """VTracer takes it for a thread that it had better leave out."""
    pixels = clear(40)
    pixels[...] = 255
    pixels[10, 5:35, :3] = pixels[10:30, 20, :3] = 0
    kept, lost = (run_plan(pixels, Plan(mode=mode)).svg for mode in ("smooth", "none"))
    assert (kept.count("<path"), lost.count("<path")) == (2, 1)
    assert quality(kept, pixels) > 0.9 > quality(lost, pixels)


def test_one_path_keeps_its_rings_and_its_place() -> None:
    moved = (
        outline([(0, 0), (9, 0), (9, 9), (0, 9)]).replace(" Z ", " Z M2,2 L2,5 L5,5 L5,2 Z ").replace("(0,0)", "(1,3)")
    )
    assert smoothed([moved], NO_COLORS) == ['<path d="M2,6h18v18h-18zM6,10v6h6v-6z" fill="#102030"/>']


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "between", "last"])
@pytest.mark.parametrize("speckle", [0, 3])
def test_a_shape_without_an_outline_is_none(place: int, speckle: int) -> None:
    shapes = [outline([(0, 0), (9, 0), (9, 9), (0, 9)]), outline([(0, 0), (2, 0), (2, 2), (0, 2)])]
    with_one = [*shapes[:place], outline([]).replace('"M Z "', '""'), *shapes[place:]]
    assert 'd=""' in with_one[place]
    assert smoothed(with_one, NO_COLORS, speckle) == smoothed(shapes, NO_COLORS, speckle)


def test_nothing_stays_nothing() -> None:
    assert smoothed([], NO_COLORS) == []
    assert "path" not in run_plan(clear(), SMOOTH).svg


@pytest.mark.parametrize("name", PICTURES)
def test_smooth_outlines_are_hardly_larger_and_hardly_less_close(name: str) -> None:
    pixels = PICTURES[name]
    smooth, pixelled = (run_plan(pixels, Plan(mode=m, upscale=2, filter_speckle=1)).svg for m in ("smooth", "none"))
    assert quality(smooth, pixels) > quality(pixelled, pixels) - 0.01
    assert len(smooth) < 1.05 * len(pixelled)


def test_a_slope_is_truer_enlarged_than_polygons_and_pixels() -> None:
    def drawn(side: int) -> Pixels:
        mask = np.zeros((side * 8, side * 8), np.uint8)
        middle, reach = side * 4, side * 3
        corners = [[middle - reach, middle], [middle + reach // 3, middle - reach], [middle + reach, middle + reach]]
        cv2.fillPoly(mask, [np.array(corners, dtype=np.int32)], 255)
        small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
        return np.dstack([255 - small] * 3 + [np.full((side, side), 255, np.uint8)])

    pixels, source = drawn(64), drawn(256)
    fidelity = {
        mode: similarity(render(run_plan(pixels, Plan(mode=mode, upscale=2)).svg, width=256), source)
        for mode in ("smooth", "none", "polygon")
    }
    assert fidelity["smooth"] > fidelity["none"] + 0.002
    assert fidelity["smooth"] > fidelity["polygon"] + 0.002


@pytest.mark.parametrize("matte", ["none", "binary", "bands"])
def test_every_matte_is_drawn_in_its_place(matte: Matte) -> None:
    pixels = shadowed()
    plans = [Plan(mode=mode, upscale=2, filter_speckle=1, matte=matte) for mode in ("smooth", "none")]
    smooth, pixelled = (render(run_plan(pixels, plan).svg) for plan in plans)
    assert similarity(smooth, pixelled) > 0.97


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_any_pixels_give_rings_of_three_points_or_more(seed: int, height: int, width: int) -> None:
    pixels = np.random.default_rng(seed).choice([0, 255], (height, width, 1)).repeat(4, axis=2).astype(np.uint8)
    pixels[..., 3] = 255
    paths = _PATH.findall(_vtracer(pixels, Plan(mode="none", filter_speckle=1)))
    found = smoothed(paths, flat_colors(pixels))
    assert len(found) == len(paths)
    for path in found:
        for ring in re.findall(r"M[^z]*z", path):
            assert len(re.findall(r"[hv]|-?\d+[,-]\d+", ring)) >= 3
