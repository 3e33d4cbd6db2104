"""A sample holds an image's features and a small picture for the thumbnails of models."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from router.errors import NotAnImage
from router.pixels import Pixels, Sample, measure, premultiplied, sample, sample_of, thumbnail
from tests.router.drawings import SIDE, checks, disc, encoded, plain


def test_a_sample_measures_the_file() -> None:
    data = encoded(disc(alpha=True))
    made = sample(data)
    assert made.features == measure(disc(alpha=True), len(data))
    assert made.features.file_size == len(data)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        pytest.param(40, 30, (40, 30), id="small stays"),
        pytest.param(256, 256, (256, 256), id="just small enough"),
        pytest.param(512, 256, (256, 128), id="halved"),
        pytest.param(3000, 4, (256, 1), id="never without width"),
        pytest.param(4, 3000, (1, 256), id="never without height"),
    ],
)
def test_the_picture_is_at_most_256_a_side(height: int, width: int, expected: tuple[int, int]) -> None:
    made = sample_of(np.full((height, width, 4), 255, dtype=np.uint8), 1)
    assert made.picture is not None
    assert made.picture.shape == (*expected, 4)


@pytest.mark.parametrize("pixels", [disc(alpha=True), checks(8)], ids=["transparent", "opaque"])
def test_half_of_the_work_may_be_done_by_others(pixels: Pixels) -> None:
    """Begun at once, and waited for at the end only: what comes of it is the same."""
    begun = []

    def beside(part: Callable[[], Any]) -> Callable[[], Any]:
        done = part()
        begun.append(done)
        return lambda: done

    assert sample_of(pixels, 1, beside).features == sample_of(pixels, 1).features
    assert len(begun) == 1


def test_invisible_colours_do_not_bleed_into_the_picture() -> None:
    pixels = plain((255, 255, 255), side=512, alpha=0)
    pixels[:, ::2] = (0, 0, 200, 255)
    picture = sample_of(pixels, 1).picture
    assert picture is not None
    assert picture[100, 100].tolist() == [0, 0, 100, 128]


def test_premultiplied_leaves_opaque_pixels_alone() -> None:
    assert premultiplied(checks(8)) is not None
    assert np.array_equal(premultiplied(checks(8)), checks(8))
    assert premultiplied(plain((200, 100, 50), alpha=51))[0, 0].tolist() == [40, 20, 10, 51]


@pytest.mark.parametrize("size", [1, 8, 32, 96, 224])
def test_thumbnails_are_square(size: int) -> None:
    picture = sample_of(checks(8)[:40], 1).picture
    assert picture is not None
    assert thumbnail(picture, size).shape == (size, size, 4)


def test_thumbnails_average_areas() -> None:
    assert thumbnail(checks(4), 12).std(axis=(0, 1)).max() < 1
    assert thumbnail(plain(), SIDE).tolist() == plain().tolist()


def test_a_sample_of_features_alone_has_no_picture() -> None:
    assert Sample(measure(plain(), 1)).picture is None


def test_what_is_no_image_is_no_sample() -> None:
    with pytest.raises(NotAnImage):
        sample(b"no image")
