"""What a picture loses in few colours is what plans with few lose."""

import numpy as np
import pytest

from router._reduced import reduced
from router.pixels import Pixels, palettes
from tests.router.drawings import disc, plain, square


def over_white(picture: Pixels) -> Pixels:
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = (picture[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return np.dstack([mixed, picture[..., 3]])


@pytest.mark.parametrize("picture", [square(), plain(), disc(alpha=True)], ids=["square", "plain", "hole"])
def test_a_picture_of_few_colours_hardly_changes(picture: Pixels) -> None:
    shown = over_white(np.ascontiguousarray(picture))
    (plane,) = reduced(shown, palettes(picture, [4]), 255)
    grey = shown[..., :3] @ np.array([0.299, 0.587, 0.114])
    assert plane.shape == picture.shape[:2]
    assert np.median(np.abs(plane - grey)) <= 4  # half a cell
    assert np.abs(plane - grey).mean() < 8


def test_what_a_binary_matte_hides_is_ground() -> None:
    faint = plain(alpha=100)
    assert (reduced(over_white(faint), palettes(faint, [4]), 255)[0] == 255).all()
