"""Small pictures for the daemon's tests."""

import io

from PIL import Image


def png(size: tuple[int, int] = (24, 24), colour: tuple[int, int, int, int] = (200, 30, 20, 255)) -> bytes:
    """Return a PNG with one coloured corner on transparent ground."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    image.paste(colour, (0, 0, max(size[0] // 2, 1), max(size[1] // 2, 1)))
    return saved(image, "PNG")


def noise(side: int) -> bytes:
    """Return a PNG that does not compress."""
    return saved(Image.effect_noise((side, side), 90), "PNG")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return the image in a format of Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
