"""Compact paths draw the very same pixels in fewer bytes; what is not made of whole numbers stays as it is."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import render
from converter._compact import compact
from converter._trace import _PATH, _vtracer
from router import Plan
from router._plan import TraceMode
from router.pixels import Pixels
from tests.converter.pictures import PICTURES
from tests.router.drawings import disc

Point = tuple[int, int]


def document(paths: list[str], pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(paths)}</svg>'


@pytest.mark.parametrize("mode", ["polygon", "none"])
@pytest.mark.parametrize("name", PICTURES)
def test_the_same_pixels_in_two_thirds_of_the_bytes(name: str, mode: TraceMode) -> None:
    pixels = PICTURES[name]
    paths = _PATH.findall(_vtracer(pixels, Plan(mode=mode, filter_speckle=1)))
    short = [compact(path) for path in paths]
    assert np.array_equal(render(document(short, pixels)), render(document(paths, pixels)))
    assert 1.5 * sum(map(len, short)) < sum(map(len, paths))


def test_a_letter_is_not_said_twice_in_a_row() -> None:
    path = '<path d="M0,0 L4,2 L6,9 L3,7 L3,2 L1,1 Z " fill="#123456" transform="translate(0,0)"/>'
    assert compact(path) == '<path d="M0,0l4,2 2,7-3-2v-5l-2-1z" fill="#123456"/>'


def test_curves_stay_as_they_are() -> None:
    paths = _PATH.findall(_vtracer(disc(), Plan(mode="spline")))
    assert any("C" in path for path in paths)
    assert [compact(path) for path in paths] == paths


SQUARE = '<path d="M0,0 L4,0 L4,4 L0,4 Z " fill="#000000" transform="translate(2,3)"/>'


def test_a_square() -> None:
    assert compact(SQUARE) == '<path d="M2,3h4v4h-4z" fill="#000"/>'


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(SQUARE.replace("4,4", "4.5,4"), id="decimals"),
        pytest.param(SQUARE.replace("L4,4", "C1,1 2,2 4,4"), id="a curve"),
        pytest.param(SQUARE.replace("(2,3)", "(2.5,3)"), id="moved by a fraction"),
        pytest.param(SQUARE.replace("translate(2,3)", "scale(2)"), id="another transform"),
        pytest.param(SQUARE.replace(' transform="translate(2,3)"', ""), id="not moved"),
        pytest.param(SQUARE.replace("/>", ' opacity="0.5"/>'), id="another attribute"),
        pytest.param(SQUARE.replace("/>", "></path>"), id="written otherwise"),
        pytest.param(f"{SQUARE}\n{SQUARE}", id="two at once"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_the_tracer_does_not_write_for_whole_numbers_stays(path: str) -> None:
    assert compact(path) == path


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        pytest.param("#AABBCC", "#ABC", id="each digit twice"),
        pytest.param("#ABABAB", "#ABABAB", id="digits differ"),
        pytest.param("#AABBCD", "#AABBCD", id="the last differs"),
        pytest.param("#000000", "#000", id="black"),
        pytest.param("#fff", "#fff", id="short already"),
        pytest.param("none", "none", id="a word"),
        pytest.param("#AABBCCDD", "#AABBCCDD", id="with alpha"),
    ],
)
def test_colours_are_shortened_only_where_they_stay_the_same(fill: str, expected: str) -> None:
    assert f'fill="{expected}"' in compact(SQUARE.replace("#000000", fill))


def spelt(ring: list[Point]) -> str:
    """Return a ring as VTracer writes it."""
    return f"M{' L'.join(f'{x},{y}' for x, y in ring)} Z "


def read(path: str) -> list[list[Point]]:
    """Return the corners of every ring of a compact path."""
    rings: list[list[Point]] = []
    data = path.partition('d="')[2].partition('"')[0]
    for letter, numbers in re.findall(r"([Mhvlz])([-,0-9 ]*)", data):
        values = [int(n) for n in re.findall(r"-?\d+", numbers)]
        if letter == "M":
            rings.append([(values[0], values[1])])
        elif letter in "hvl":
            pairs = {"h": (*values, 0), "v": (0, *values), "l": values}[letter]
            for across, down in zip(pairs[::2], pairs[1::2], strict=True):
                x, y = rings[-1][-1]
                rings[-1].append((x + across, y + down))
    return rings


CORNERS = st.tuples(st.integers(-3, 400), st.integers(-3, 400))


@given(st.lists(st.lists(CORNERS, min_size=1, max_size=9), min_size=1, max_size=4), CORNERS)
def test_every_corner_of_any_rings_stays_in_its_place(rings: list[list[Point]], moved: Point) -> None:
    data = "".join(map(spelt, rings))
    path = f'<path d="{data}" fill="#102030" transform="translate({moved[0]},{moved[1]})"/>'
    short = compact(path)
    assert read(short) == [[(x + moved[0], y + moved[1]) for x, y in ring] for ring in rings]
    assert len(short) < len(path)
    assert short.count("z") == len(rings)
