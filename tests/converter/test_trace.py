"""Plans run on pixels with every kind of alpha; the SVG is well-formed, keeps its size and is the same each time."""

import itertools
import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest

from converter import quality, render, run_plan
from converter.errors import ConversionFailed
from router import VTRACER_DEFAULTS, Plan
from router.pixels import Pixels, composite
from tests.converter.pictures import checked, clear, shadowed, with_clear_column, wordmark
from tests.router.drawings import SIDE, disc, noise, ramp, square

SVG = "{http://www.w3.org/2000/svg}"
MODES = ("polygon", "spline", "none")
HIERARCHIES = ("stacked", "cutout")


def assert_sound(svg: str, width: int, height: int, upscale: int = 1) -> None:
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert (root.get("width"), root.get("height")) == (str(width), str(height))
    assert root.get("viewBox") == f"0 0 {width * upscale} {height * upscale}"
    assert render(svg).shape == (height, width, 4)


@pytest.mark.parametrize("ground", [255, 0], ids=["white", "black"])
def test_a_transparent_wordmark_stays_what_it_is_on(ground: int) -> None:
    pixels = wordmark()
    drawn = render(run_plan(pixels, Plan(upscale=3)).svg)
    off = np.abs(composite(drawn, ground).astype(int) - composite(pixels, ground))
    assert off.mean() < 2.5
    assert drawn[0, 0, 3] == 0


def test_the_defaults_make_a_wordmark_fat_and_a_binary_matte_does_not() -> None:
    pixels = wordmark()
    ink = int(pixels[..., 3].sum())
    fat, plain, fine = (run_plan(pixels, p).svg for p in (VTRACER_DEFAULTS, Plan(), Plan(upscale=3)))
    assert int(render(fat)[..., 3].sum()) > 1.25 * ink
    assert int(render(fine)[..., 3].sum()) == pytest.approx(ink, rel=0.06)
    assert quality(fat, pixels) < quality(plain, pixels) < quality(fine, pixels)


@pytest.mark.parametrize(
    ("pixels", "upscale"),
    [
        pytest.param(checked(1, 1), 1, id="1x1"),
        pytest.param(checked(1, 1), 8, id="1x1 enlarged"),
        pytest.param(checked(3000, 4), 1, id="4x3000"),
        pytest.param(checked(4, 3000), 3, id="3000x4 enlarged"),
        pytest.param(clear(), 2, id="nothing visible"),
        pytest.param(wordmark(), 2, id="wordmark"),
    ],
)
@pytest.mark.parametrize("matte", ["none", "binary", "bands"])
def test_size_and_view_box(pixels: Pixels, upscale: int, matte: str) -> None:
    plan = msgspec.convert({"upscale": upscale, "matte": matte}, Plan)
    assert_sound(run_plan(pixels, plan).svg, pixels.shape[1], pixels.shape[0], upscale)


@pytest.mark.parametrize("matte", ["none", "binary", "bands"])
def test_nothing_visible_becomes_an_empty_drawing(matte: str) -> None:
    plan = msgspec.convert({"matte": matte}, Plan)
    traced = run_plan(clear(), plan)
    assert not render(traced.svg)[..., 3].any()
    assert quality(traced.svg, clear()) == pytest.approx(1)


def test_one_opaque_pixel_is_traced_whole() -> None:
    """VTracer sees too little in a single pixel unless speckles are kept."""
    pixels = np.full((1, 1, 4), (200, 30, 30, 255), np.uint8)
    drawn = render(run_plan(pixels, Plan(filter_speckle=0)).svg)
    assert drawn.shape == (1, 1, 4)


@pytest.mark.parametrize("matte", ["none", "binary", "bands"])
@pytest.mark.parametrize("upscale", [1, 3])
def test_a_single_clear_column_is_never_painted_black(matte: str, upscale: int) -> None:
    """VTracer looks for transparency on five scan lines only, and paints it black where it finds little."""
    pixels = with_clear_column()
    plan = msgspec.convert({"matte": matte, "upscale": upscale, "filter_speckle": 0}, Plan)
    drawn = render(run_plan(pixels, plan).svg)
    column = pixels.shape[1] - 10
    assert drawn[5:-5, column, 3].max() < 128
    assert drawn[5:-5, 2, 3].min() == 255
    assert np.abs(drawn[5:-5, 2, :3].astype(int) - (30, 120, 60)).max() <= 8


@pytest.mark.parametrize(("upscale", "palette", "soft"), [(1, 4, 2), (1, 0, 4), (2, 0, 3), (3, 0, 4), (4, 0, 6)])
def test_soft_shadows_need_bands_few_of_them_in_lean_plans(upscale: int, palette: int, soft: int) -> None:
    pixels = shadowed()
    cut, banded = (run_plan(pixels, Plan(matte=m, upscale=upscale, palette=palette)) for m in ("binary", "bands"))
    assert quality(banded.svg, pixels) > quality(cut.svg, pixels) + 0.02
    assert banded.svg.count('<g opacity="') == soft
    off = np.abs(render(banded.svg)[..., 3].astype(int) - pixels[..., 3])
    assert off.mean() < 10


def test_bands_of_an_opaque_picture_are_one_plain_trace() -> None:
    one, other = (run_plan(checked(40, 40), Plan(matte=m)).svg for m in ("binary", "bands"))
    assert one == other


@pytest.mark.parametrize("more", [{"palette": 2}, {"denoise": 3}], ids=str)
def test_a_palette_and_denoising_save_paths(more: dict[str, int]) -> None:
    fine = {"filter_speckle": 1, "color_precision": 8, "layer_difference": 0}
    plain, calm = (run_plan(noise(20), msgspec.convert(fine | extra, Plan)).path_count for extra in ({}, more))
    assert calm < plain


def test_a_reduced_picture_keeps_its_colours_apart() -> None:
    """The greys of a soft edge differ by less than a coarse precision, one after the other; a palette means them."""
    steps = np.repeat(np.arange(0, 256, 15, dtype=np.uint8), 8)
    pixels = np.dstack([np.tile(steps, (40, 1))] * 3 + [np.full((40, steps.size), 255, np.uint8)])
    flown, kept = (run_plan(pixels, Plan(palette=p, color_precision=4, layer_difference=0)).svg for p in (0, 32))
    assert flown.count("<path") == 1
    assert quality(flown, pixels) < 0.7
    assert quality(kept, pixels) > 0.99


@pytest.mark.parametrize(("mode", "hierarchical"), list(itertools.product(MODES, HIERARCHIES)))
@pytest.mark.parametrize("pixels", [disc(), wordmark()], ids=["opaque", "alpha"])
def test_every_way_of_tracing_colours_gives_a_sound_svg(pixels: Pixels, mode: str, hierarchical: str) -> None:
    plan = msgspec.convert({"mode": mode, "hierarchical": hierarchical}, Plan)
    traced = run_plan(pixels, plan)
    assert_sound(traced.svg, pixels.shape[1], pixels.shape[0])
    assert traced.path_count == len(list(ET.fromstring(traced.svg).iter(f"{SVG}path"))) > 0
    assert quality(traced.svg, pixels) > 0.9


@pytest.mark.parametrize(("mode", "hierarchical"), list(itertools.product(MODES, HIERARCHIES)))
def test_a_binary_trace_draws_what_is_dark_in_black(mode: str, hierarchical: str) -> None:
    plan = msgspec.convert({"mode": mode, "hierarchical": hierarchical, "colormode": "binary"}, Plan)
    traced = run_plan(square(), plan)
    assert_sound(traced.svg, SIDE, SIDE)
    drawn = render(traced.svg)
    assert drawn[SIDE // 2, SIDE // 2].tolist() == [0, 0, 0, 255]
    assert drawn[4, 4, 3] == 0


@pytest.mark.parametrize("plan", [Plan(), Plan(upscale=3, palette=6), Plan(matte="bands", mode="spline", denoise=2)])
def test_running_a_plan_twice_gives_the_same_svg(plan: Plan) -> None:
    assert run_plan(shadowed(), plan).svg == run_plan(shadowed(), plan).svg


def test_path_precision_bounds_the_decimals() -> None:
    pixels = ramp()[:64, :64]
    short, long = (run_plan(pixels, Plan(mode="spline", path_precision=n)).svg for n in (1, 8))
    assert len(short) < len(long)


@pytest.mark.parametrize("parameter", ["color_precision", "max_iterations"])
def test_a_panic_of_vtracer_is_a_failed_conversion(parameter: str, capfd: pytest.CaptureFixture[str]) -> None:
    """No plan within bounds is known to panic; 0 does."""
    plan = Plan(mode="spline")
    msgspec.structs.force_setattr(plan, parameter, 0)
    with pytest.raises(ConversionFailed, match=r"VTracer: .+; try another method"):
        run_plan(checked(20, 20), plan)
    capfd.readouterr()  # Rust prints where it panicked


def test_what_is_no_panic_flies() -> None:
    plan = Plan()
    msgspec.structs.force_setattr(plan, "filter_speckle", "many")
    with pytest.raises(TypeError):
        run_plan(checked(20, 20), plan)
