"""Fidelity compares vectors with vectors: smooth outlines beat stepped ones, and only the true source counts."""

import cv2
import numpy as np
import pytest

from converter import Converter, render, run_plan, similarity
from converter._fidelity import MOST_PIXELS, SCALE, check_source, difference, draw_source, fidelity_4x
from converter.errors import ConversionFailed, SourceUnfit
from router import VTRACER_DEFAULTS, Plan
from router.errors import NotAnImage
from router.pixels import Pixels
from tests.router.drawings import encoded

DISC = b"""<?xml version="1.0"?><!DOCTYPE svg>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><circle cx="10" cy="10" r="8" fill="#c81e1e"/></svg>"""
GROUND = DISC.replace(b"<circle", b'<rect width="40" height="20" fill="#fff"/><circle')
WIDTH, HEIGHT = 80, 40


def image(source: bytes = DISC) -> Pixels:
    return draw_source(source, WIDTH, HEIGHT)


def test_the_source_itself_has_fidelity_1() -> None:
    svg = DISC.decode().replace("viewBox", f'width="{WIDTH}" height="{HEIGHT}" viewBox')
    assert fidelity_4x(svg, DISC, WIDTH, HEIGHT) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("source", [DISC, GROUND], ids=["transparent", "opaque"])
def test_it_is_the_quality_of_both_drawn_four_times_as_large(source: bytes) -> None:
    svg = run_plan(image(source), Plan(upscale=2)).svg
    drawn, true = render(svg, width=SCALE * WIDTH), draw_source(source, SCALE * WIDTH, SCALE * HEIGHT)
    assert drawn.shape == true.shape == (SCALE * HEIGHT, SCALE * WIDTH, 4)
    assert fidelity_4x(svg, source, WIDTH, HEIGHT) == similarity(drawn, true)


def test_steps_that_follow_pixels_cost() -> None:
    finest = run_plan(image(), Plan(upscale=3, mode="spline")).svg
    stepped = run_plan(image(), VTRACER_DEFAULTS).svg
    assert fidelity_4x(finest, DISC, WIDTH, HEIGHT) > fidelity_4x(stepped, DISC, WIDTH, HEIGHT) + 0.01


def test_sizes_that_rounding_left_are_filled() -> None:
    assert (draw_source(GROUND, 83, 40)[..., 3] == 255).all()


@pytest.mark.parametrize("damage", ["none", "blur", "jpeg"])
def test_a_damaged_image_keeps_its_source(damage: str) -> None:
    pixels = image(GROUND)
    data = encoded(cv2.GaussianBlur(pixels, (0, 0), 2.0)) if damage == "blur" else encoded(pixels)
    if damage == "jpeg":
        data = cv2.imencode(".jpg", pixels[..., 2::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])[1].tobytes()
    check_source(GROUND, data)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(DISC, id="another ground"),
        pytest.param(GROUND.replace(b'cx="10"', b'cx="30"').replace(b'r="8"', b'r="90"'), id="other"),
        pytest.param(b"no drawing", id="words"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
    ],
)
def test_what_is_no_source_is_told(source: bytes) -> None:
    with pytest.raises(SourceUnfit, match="draws something else"):
        check_source(source, encoded(image(GROUND)))


def test_large_images_are_left_out() -> None:
    side = 1 + round(MOST_PIXELS**0.5)
    with pytest.raises(SourceUnfit, match="too many to draw 4 times"):
        check_source(GROUND, encoded(np.full((side, side, 4), 255, np.uint8)))


def test_what_does_not_decode_or_render_is_told() -> None:
    with pytest.raises(NotAnImage):
        check_source(DISC, b"no image")
    with pytest.raises(ConversionFailed, match="does not render"):
        fidelity_4x("no drawing", DISC, WIDTH, HEIGHT)


def test_pictures_differ_by_what_alpha_hides_too() -> None:
    assert difference(image(), image()) == 0
    hidden = image().copy()
    hidden[..., 3] = 0
    assert difference(hidden, image(GROUND)) > 200


def test_it_runs_in_a_worker_and_its_errors_come_back() -> None:
    svg = run_plan(image(), Plan()).svg
    with Converter(workers=1) as converter:
        there = converter.start(fidelity_4x, svg, DISC, WIDTH, HEIGHT).result()
        with pytest.raises(SourceUnfit):
            converter.start(check_source, b"", encoded(image())).result()
    assert there == fidelity_4x(svg, DISC, WIDTH, HEIGHT)
