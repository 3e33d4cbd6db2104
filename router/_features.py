"""Features are numbers computed from an image's pixels and bytes; no model is involved."""

import math
from collections.abc import Mapping

import msgspec

from router.errors import InvalidFeatures


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """One image in numbers. `None` means "not measured": consumers put the training mean in its place.

    Pixel statistics are taken at native resolution, on every n-th pixel of each axis where a side exceeds 512 px; those
    of windows (from `smoothness` on) on 4 x 4 tiles of native pixels.
    Colours are those of the image over its backdrop (see `router.pixels.backdrop`); luminance is BT.601, 0..255.
    """

    complexity_score: float | None = None
    """0..1: how much there is to trace; the mean of edge density, entropy and colour count, each scaled to 0..1."""
    unique_colors: float | None = None
    """Distinct RGBA values among the visible pixels, >= 1."""
    edge_density: float | None = None
    """0..1: share of pixels whose Sobel gradient exceeds 32 luminance (or alpha) steps per pixel."""
    aspect_ratio: float | None = None
    """Width divided by height, > 0."""
    file_size: float | None = None
    """Bytes of the encoded image."""
    image_area: float | None = None
    """Width times height, pixels."""
    color_variance: float | None = None
    """0..1: mean variance of the colour channels, divided by its maximum 127.5^2."""
    gradient_strength: float | None = None
    """Mean Sobel gradient, luminance steps per pixel, over pixels that are not edges: shading, blur and noise."""
    text_probability: float | None = None
    """0..1: share of connected ink parts that look like a line of letters (similar height, common baseline)."""
    geometric_score: float | None = None
    """0..1: share of edge pixels whose direction is within 3 degrees of a multiple of 45."""
    entropy: float | None = None
    """Bits, 0..8: Shannon entropy of the luminance histogram."""
    corner_density: float | None = None
    """Corners (FAST-9, threshold 24, after a 3x3 mean) per 1,000 pixels."""
    alpha_fraction: float | None = None
    """0..1: share of pixels that are not fully opaque."""
    soft_alpha_fraction: float | None = None
    """0..1: share of pixels with alpha strictly between 8 and 247."""
    soft_alpha_interior: float | None = None
    """0..1: share of pixels of soft alpha whose neighbours are all soft too: shadows and glass, not anti-aliasing."""
    palette_size: float | None = None
    """Colours, at 4 bits a channel, that cover 95 % of the visible pixels, >= 1."""
    flat_fraction: float | None = None
    """0..1: share of pixels equal to their right and lower neighbours."""
    edge_sharpness: float | None = None
    """0..1: mean over edge pixels of the largest one-pixel step divided by the contrast within 2 px; 1 is aliased."""
    noise_level: float | None = None
    """Mean absolute Laplacian over pixels that are not edges, luminance steps: noise and compression artefacts."""
    blockiness: float | None = None
    """Mean step across 8 px block borders divided by the mean step elsewhere, 0..8; JPEG shows above 1."""
    part_density: float | None = None
    """Pixels per 1,000 whose colour (3 bits a channel) differs to the left and above; grows with the part count."""
    short_side: float | None = None
    """The smaller of width and height, pixels."""
    smoothness: float | None = None
    """0..1: mean of C2 / (variance + C2) over windows of 7 x 7 px, C2 = 58.5 (SSIM's): what is left of an image's SSIM
    when all detail goes and every mean stays."""
    faint_texture: float | None = None
    """0..1: share of windows whose luminance varies faintly (variance 1..16): soft gradients, compression."""
    middle_texture: float | None = None
    """0..1: share of windows with variance 16..256: noise, shading, soft shadows."""
    hard_edges: float | None = None
    """0..1: SSIM of the image against itself with every edge made as steep as pixels allow."""
    hard_alpha: float | None = None
    """0..1: SSIM of alpha against alpha cut at one half; 1 is opaque, or aliased."""
    poster: float | None = None
    """0..1: SSIM of the image against itself in eight levels."""
    despeckled: float | None = None
    """0..1: SSIM of the image against its 3 x 3 median: thin lines, small type and noise make it low."""
    in_four_colors: float | None = None
    """0..1: SSIM of the image against itself enlarged twice, in a palette of four colours, and drawn back."""
    in_sixteen_colors: float | None = None
    """0..1: the same in sixteen colours: what is left when colours are no matter."""
    corners_in_four: float | None = None
    """Corners of the outlines in that palette of four colours per 1,000 pixels, enlarged: what makes an SVG long."""
    corners_in_sixteen: float | None = None
    """The same in sixteen colours."""
    lost_in_four_1x: float | None = None
    """Thousandths, 0..1000: the SSIM that the image loses against itself, as large as it is, in a palette of four
    colours; enlarged twice where it is looked at in tiles."""
    lost_in_eight_1x: float | None = None
    """The same in eight colours."""
    lost_in_sixteen_1x: float | None = None
    """The same in sixteen colours."""
    lost_in_eight_2x: float | None = None
    """The same in eight colours, enlarged twice and drawn back; of four and of sixteen `in_four_colors` and
    `in_sixteen_colors` say it."""
    lost_in_four_4x: float | None = None
    """The same in four colours, enlarged four times and drawn back; above 6,400 pixels (80 x 80) enlarged twice."""
    lost_in_eight_4x: float | None = None
    """The same in eight colours."""
    lost_in_sixteen_4x: float | None = None
    """The same in sixteen colours."""
    lost_alpha_2x: float | None = None
    """Thousandths, 0..1000: the SSIM that alpha loses against itself enlarged twice, cut at one half and drawn back;
    `hard_alpha` is what it keeps at its own size."""
    lost_alpha_4x: float | None = None
    """The same enlarged four times."""
    lost_drawn_in_three_2x: float | None = None
    """Thousandths, 0..1000: the SSIM that the image loses against itself enlarged twice, in a palette of three colours,
    drawn back shape by shape as VTracer stacks them, its threads left out. Where it is looked at in tiles, what four
    colours cost stands here, and below what `lost_in_eight_2x` and its like say."""
    lost_drawn_in_four_2x: float | None = None
    """The same in four colours."""
    lost_drawn_in_eight_2x: float | None = None
    """The same in eight colours."""
    lost_drawn_in_sixteen_2x: float | None = None
    """The same in sixteen colours."""
    lost_drawn_in_three_4x: float | None = None
    """The same in three colours, enlarged four times, threads drawn as well; above 6,400 pixels enlarged twice."""
    lost_drawn_in_four_4x: float | None = None
    """The same in four colours."""
    lost_drawn_in_eight_4x: float | None = None
    """The same in eight colours."""
    lost_drawn_in_sixteen_4x: float | None = None
    """The same in sixteen colours."""

    def __post_init__(self) -> None:
        for name in FEATURE_NAMES:
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InvalidFeatures(name, f"is {value}; give a finite number or leave it out")
            if value is not None and value < 0:
                raise InvalidFeatures(name, f"is {value}; no feature is below 0")

    def vector(self, names: tuple[str, ...] | None = None) -> list[float]:
        """Return the features in order of `names` (all of them by default); NaN stands for "not measured"."""
        return [math.nan if (v := getattr(self, n)) is None else float(v) for n in names or FEATURE_NAMES]


FEATURE_NAMES: tuple[str, ...] = Features.__struct_fields__


def features_from(values: Mapping[str, float]) -> Features:
    """Build features from a caller's own measurements, by name in snake_case or camelCase.

    Raises:
        InvalidFeatures: an unknown name, a value that is no finite number, or nothing given at all.
    """
    if not values:
        raise InvalidFeatures("(none)", f"give at least one of {', '.join(FEATURE_NAMES)}")
    given = {}
    for key, value in values.items():
        name = _SNAKE.get(key, key)
        if name not in FEATURE_NAMES:
            raise InvalidFeatures(key, f"is unknown; known are {', '.join(FEATURE_NAMES)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidFeatures(key, f"is {value!r}; give a number")
        try:
            given[name] = float(value)
        except OverflowError as exc:
            raise InvalidFeatures(key, "is an integer too large to use; give a smaller number") from exc
    return Features(**given)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


_SNAKE = {_camel(name): name for name in FEATURE_NAMES}
