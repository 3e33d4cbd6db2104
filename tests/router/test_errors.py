"""Every error is one line and says what to do next."""

import pickle

import pytest

from router import errors
from router.errors import RouterError

EXAMPLES = [
    (errors.InvalidPlan("upscale", 9, 1, 8), "plan parameter upscale is 9; give a value from 1 to 8"),
    (errors.InvalidConstraint("policy", "x", "weighted"), "policy is 'x'; give weighted"),
    (errors.InvalidFeatures("entropy", "is x"), "feature entropy: is x"),
    (errors.NotAnImage(0), "the image is empty (0 bytes); give PNG, JPEG, WebP, GIF, BMP or TIFF"),
    (errors.NotAnImage(7), "7 bytes are not an image; give PNG, JPEG, WebP, GIF, BMP or TIFF"),
    (errors.DamagedImage("cut"), "the image is damaged (cut); save or copy it again"),
    (
        errors.ImageTooLarge(2000, 1000, "pixels"),
        "the image has 2,000 pixels, the limit is 1,000; scale it down first",
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=[type(e).__name__ for e, _ in EXAMPLES])
def test_message(error: RouterError, message: str) -> None:
    assert str(error) == message
    assert isinstance(error, ValueError)


def test_every_error_has_an_example() -> None:
    public = {v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, RouterError)}
    assert public - {type(e) for e, _ in EXAMPLES} == {RouterError, errors.InvalidImage}


@pytest.mark.parametrize("error", [e for e, _ in EXAMPLES], ids=lambda e: type(e).__name__)
def test_errors_cross_process_borders_whole(error: RouterError) -> None:
    other = pickle.loads(pickle.dumps(error))
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


def test_a_too_large_image_carries_its_numbers() -> None:
    error = errors.ImageTooLarge(2, 1, "bytes")
    assert (error.amount, error.limit, error.unit, error.parameter) == (2, 1, "bytes", "image")
