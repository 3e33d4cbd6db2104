"""Drawings become raster images of many sizes and grades; the same spec always gives the same bytes."""

import hashlib
import math
import random
from typing import Literal

import cv2
import msgspec
import numpy as np
import resvg_py

from router.pixels import Pixels, composite
from training._corpus import Drawing, Family
from training._shadow import with_shadow

Grade = Literal["clean", "jpeg", "blur", "rescaled", "noise", "aliased", "shadow"]
Ground = Literal["transparent", "white", "black"]
SMALLEST, LARGEST, HUGE = 48, 1024, 2048
FAVICONS = (16, 24, 32, 48)
HUGE_SHARE = 0.02
# Clean logos are the common case; every grade of damage is there often enough to be learnt.
_GRADES: dict[Grade, int] = {"clean": 60, "jpeg": 16, "blur": 6, "rescaled": 8, "noise": 4, "aliased": 6}
# Of clean ones some get a shadow. They are drawn by lot of their own: all other specs stay what they were without.
SHADOWED = 0.06
_SOFTNESS = (0.01, 0.05)
_GROUNDS: dict[Ground, int] = {"transparent": 60, "white": 32, "black": 8}


class ImageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How one image is made from a drawing.

    `amount` is the grade's own: JPEG quality, sigma, factor, deviation or a shadow's softness.
    """

    family: str
    drawing: str
    split: str
    longest: int
    ground: Ground
    grade: Grade
    amount: float
    color: str
    seed: int

    @property
    def key(self) -> str:
        """A short name, unique to this spec."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()


def specs(family: Family, names: list[str], *, count: int, seed: int, held_out: float = 0.12) -> list[ImageSpec]:
    """Draw `count` image specs from a family's drawings; a share of a trained family's drawings is held out."""
    rng = random.Random(f"{seed}-{family.name}")
    order = rng.sample(names, len(names))
    picked = [order[i % len(order)] for i in range(count)]
    found = [_spec(family, name, rng, held_out) for name in picked]
    lot = random.Random(f"{seed}-{family.name}-shadow")
    return [_shadowed(spec, lot) if spec.grade == "clean" and lot.random() < SHADOWED else spec for spec in found]


def _spec(family: Family, name: str, rng: random.Random, held_out: float) -> ImageSpec:
    # The split hangs on the drawing alone, so that two images of one drawing never fall on both sides.
    digest = hashlib.blake2b(f"{family.name}/{name}".encode(), digest_size=4).digest()
    unseen = int.from_bytes(digest, "big") / 2**32 < held_out
    split = "families" if family.split == "validate" else "images" if unseen else "train"
    grade = rng.choices(list(_GRADES), weights=list(_GRADES.values()))[0]
    ground = rng.choices(list(_GROUNDS), weights=list(_GROUNDS.values()))[0]
    longest = rng.choice(FAVICONS) if rng.random() < 0.08 else _size(rng)
    return ImageSpec(
        family=family.name,
        drawing=name,
        split=split,
        longest=longest,
        ground="white" if grade == "jpeg" and ground == "transparent" else ground,
        grade=grade,
        amount=_amount(grade, rng),
        color=f"#{rng.randrange(256):02x}{rng.randrange(160):02x}{rng.randrange(256):02x}",
        seed=rng.randrange(2**31),
    )


def _shadowed(spec: ImageSpec, lot: random.Random) -> ImageSpec:
    ground: Ground = "white" if spec.ground == "black" else spec.ground  # where no shadow is seen
    return msgspec.structs.replace(spec, grade="shadow", amount=round(lot.uniform(*_SOFTNESS), 4), ground=ground)


def _size(rng: random.Random) -> int:
    """Return a longer side of 48..2048 px, small ones oftener: logos lie about so, and large ones cost most."""
    if rng.random() < HUGE_SHARE:
        return round(rng.uniform(LARGEST, HUGE))
    return round(SMALLEST * math.pow(LARGEST / SMALLEST, rng.random() ** 1.8))


def _amount(grade: Grade, rng: random.Random) -> float:
    ranges = {"jpeg": (30, 95), "blur": (0.5, 2.0), "rescaled": (1.5, 4.0), "noise": (2, 12)}
    low, high = ranges.get(grade, (0, 0))
    return round(rng.uniform(low, high), 2)


def draw(spec: ImageSpec, drawing: Drawing) -> bytes:
    """Return the encoded image of a spec: JPEG for that grade, PNG otherwise."""
    pixels = rasterise(shown(spec, drawing), spec.longest, color=spec.color, aliased=spec.grade == "aliased")
    if spec.ground != "transparent":
        rgb = composite(pixels, 255 if spec.ground == "white" else 0)
        pixels = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    pixels = _degraded(pixels, spec)
    bgra = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA)
    if spec.grade == "jpeg":
        _, data = cv2.imencode(".jpg", bgra[..., :3], [cv2.IMWRITE_JPEG_QUALITY, int(spec.amount)])
    else:
        _, data = cv2.imencode(".png", bgra if spec.ground == "transparent" else bgra[..., :3])
    return bytes(data)


def shown(spec: ImageSpec, drawing: Drawing) -> Drawing:
    """Return the drawing as the spec shows it before anything is damaged: with its shadow, if it has one."""
    return with_shadow(drawing, spec.amount, spec.seed) if spec.grade == "shadow" else drawing


def rasterise(drawing: Drawing, longest: int, *, color: str = "#000000", aliased: bool = False) -> Pixels:
    """Return a drawing as RGBA with its longer side at `longest` px; `color` is its currentColor."""
    scale = longest / max(drawing.width, drawing.height)
    png = resvg_py.svg_to_bytes(
        svg_string=drawing.svg.replace("currentColor", color),
        width=max(1, round(drawing.width * scale)),
        height=max(1, round(drawing.height * scale)),
        skip_system_fonts=True,
        shape_rendering="crisp_edges" if aliased else "geometric_precision",
    )
    drawn = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(cv2.cvtColor(drawn, cv2.COLOR_BGRA2RGBA), dtype=np.uint8)


def _degraded(pixels: Pixels, spec: ImageSpec) -> Pixels:
    height, width = pixels.shape[:2]
    if spec.grade == "blur":
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), spec.amount), dtype=np.uint8)
    if spec.grade == "rescaled":
        small = (max(1, round(width / spec.amount)), max(1, round(height / spec.amount)))
        reduced = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    if spec.grade == "noise":
        noise = np.random.default_rng(spec.seed).normal(0, spec.amount, (height, width, 3))
        noisy = np.clip(pixels[..., :3] + noise, 0, 255).astype(np.uint8)
        return np.dstack([noisy, pixels[..., 3]])
    return pixels
