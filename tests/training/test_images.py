"""Images are drawn from drawings: the same spec gives the same bytes, and every grade does what it says."""

import msgspec
import numpy as np
import pytest

from router.pixels import Pixels, decode
from tests.training.corpora import HELD_OUT, TRAINED
from training._corpus import Drawing
from training._images import (
    FAVICONS,
    HUGE,
    HUGE_SHARE,
    LARGEST,
    SHADOWED,
    SMALLEST,
    Grade,
    Ground,
    ImageSpec,
    draw,
    rasterise,
    specs,
)

NAMES = [f"logo-{i}" for i in range(300)]
DISC = Drawing(
    name="disc",
    width=24,
    height=12,
    svg='<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 12" width="24" height="12">'
    '<circle cx="6" cy="6" r="5" fill="currentColor"/></svg>',
)
CLEAN = ImageSpec(
    family="f",
    drawing="disc",
    split="train",
    longest=120,
    ground="transparent",
    grade="clean",
    amount=0,
    color="#1464c8",
    seed=3,
)


def drawn(**changes: object) -> Pixels:
    return decode(draw(msgspec.structs.replace(CLEAN, **changes), DISC))


def test_specs_are_the_same_each_time_and_differ_by_seed() -> None:
    first = specs(TRAINED, NAMES, count=50, seed=1)
    assert first == specs(TRAINED, NAMES, count=50, seed=1)
    assert first != specs(TRAINED, NAMES, count=50, seed=2)
    assert len({spec.key for spec in first}) == 50


def test_every_drawing_comes_once_before_any_comes_twice() -> None:
    found = [spec.drawing for spec in specs(TRAINED, NAMES, count=700, seed=1)]
    assert set(found[:300]) == set(NAMES)
    assert found[300:600] == found[:300]


def test_a_drawing_is_never_on_both_sides_of_the_split() -> None:
    sides: dict[str, set[str]] = {}
    for seed in range(4):
        for spec in specs(TRAINED, NAMES, count=600, seed=seed):
            sides.setdefault(spec.drawing, set()).add(spec.split)
    assert all(len(side) == 1 for side in sides.values())
    held_out = sum(side == {"images"} for side in sides.values())
    assert 0.06 < held_out / len(NAMES) < 0.18


def test_a_validation_family_is_held_out_whole() -> None:
    assert {spec.split for spec in specs(HELD_OUT, NAMES, count=100, seed=1)} == {"families"}


def test_sizes_grades_and_grounds_are_mixed() -> None:
    found = specs(TRAINED, NAMES, count=2000, seed=1)
    assert all(spec.longest in FAVICONS or SMALLEST <= spec.longest <= HUGE for spec in found)
    assert {spec.grade for spec in found} == {"clean", "jpeg", "blur", "rescaled", "noise", "aliased", "shadow"}
    assert {spec.ground for spec in found} == {"transparent", "white", "black"}
    assert not any(spec.grade == "jpeg" and spec.ground == "transparent" for spec in found)
    assert np.mean([spec.grade == "clean" for spec in found]) == pytest.approx(0.6, abs=0.05)


def test_some_clean_images_get_a_shadow_where_it_can_be_seen() -> None:
    found = specs(TRAINED, NAMES, count=4000, seed=1)
    shadowed = [spec for spec in found if spec.grade == "shadow"]
    clean = sum(spec.grade == "clean" for spec in found) + len(shadowed)
    assert len(shadowed) / clean == pytest.approx(SHADOWED, abs=0.015)
    assert {spec.ground for spec in shadowed} == {"transparent", "white"}


def test_a_few_images_are_huge_and_small_ones_are_usual() -> None:
    sides = np.array([spec.longest for spec in specs(TRAINED, NAMES, count=4000, seed=1)])
    huge = sides[sides > LARGEST]
    assert len(huge) / len(sides) == pytest.approx(HUGE_SHARE, abs=0.008)
    assert huge.max() > 0.9 * HUGE
    assert np.median(sides) < LARGEST / 4


@pytest.mark.parametrize("grade", ["clean", "jpeg", "blur", "rescaled", "noise", "aliased"])
@pytest.mark.parametrize("ground", ["transparent", "white", "black"])
def test_each_grade_on_each_ground_is_drawn_alike_each_time(grade: Grade, ground: Ground) -> None:
    if grade == "jpeg" and ground == "transparent":
        pytest.skip("JPEG has no transparency; no spec asks for it")
    amount = {"jpeg": 60, "blur": 1.0, "rescaled": 2.0, "noise": 8}.get(grade, 0)
    spec = msgspec.structs.replace(CLEAN, grade=grade, ground=ground, amount=amount)
    data = draw(spec, DISC)
    assert data == draw(spec, DISC)
    assert data.startswith(b"\xff\xd8" if grade == "jpeg" else b"\x89PNG")
    pixels = decode(data)
    assert pixels.shape == (60, 120, 4)
    if ground == "transparent":
        assert pixels[30, 100, 3] == 0
    elif grade != "noise":
        assert pixels[30, 100].tolist() == [*[255 if ground != "black" else 0] * 3, 255]
    assert np.abs(pixels[30, 30, :3].astype(int) - (0x14, 0x64, 0xC8)).max() < 40


def test_blurred_and_rescaled_images_are_softer() -> None:
    def steepest(pixels: Pixels) -> int:
        return int(np.abs(np.diff(pixels[30, :, 0].astype(int))).max())

    clean = drawn(ground="white")
    assert steepest(drawn(ground="white", grade="blur", amount=2.0)) < 0.5 * steepest(clean)
    assert steepest(drawn(ground="white", grade="rescaled", amount=4.0)) < 0.5 * steepest(clean)


def test_noise_is_as_strong_as_said_and_leaves_alpha() -> None:
    pixels = drawn(grade="noise", amount=6.0)
    assert pixels[20:40, 20:40, 1].std() == pytest.approx(6, rel=0.15)
    assert np.array_equal(pixels[..., 3], drawn()[..., 3])


def test_aliased_edges_have_no_steps() -> None:
    assert set(np.unique(drawn(grade="aliased")[..., 3])) == {0, 255}
    assert len(np.unique(drawn()[..., 3])) > 10


def test_a_shadow_is_soft_lies_lower_and_has_room() -> None:
    pixels = drawn(grade="shadow", amount=0.03)
    alpha = pixels[..., 3]
    soft = (alpha > 8) & (alpha < 160)
    assert np.mean(pixels[soft][:, :3]) < 40
    assert soft.mean() > 3 * ((drawn()[..., 3] > 8) & (drawn()[..., 3] < 160)).mean()
    assert not any(edge.any() for edge in (alpha[0] > 3, alpha[-1] > 3, alpha[:, 0] > 3))
    rows = np.arange(len(alpha))[:, None]
    assert (rows * soft).sum() / soft.sum() > (rows * (alpha > 200)).sum() / (alpha > 200).sum()


def test_shadows_differ_by_seed() -> None:
    seen = {drawn(grade="shadow", amount=0.03, seed=seed).tobytes() for seed in range(3)}
    assert len(seen) == 3


@pytest.mark.parametrize("longest", [1, 16, 333])
def test_the_longer_side_is_what_was_asked_for(longest: int) -> None:
    """To a pixel: resvg keeps the ratio, also where a side then falls between two pixels."""
    height, width, _ = rasterise(DISC, longest).shape
    assert abs(width - longest) <= 1
    assert abs(height - longest / 2) <= 1
