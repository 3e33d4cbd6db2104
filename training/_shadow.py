"""Drop shadows, as logos carry them: soft alpha inside a picture, which drawings of the corpus hardly have."""

import math
import random

from training._corpus import Drawing

_DARKEST, _FAINTEST = 0.6, 0.25  # opacity
_REACH = 3.0  # standard deviations beyond which a shadow is not seen
_OFFSET = 1.5  # the most that it lies lower, standard deviations


def with_shadow(drawing: Drawing, softness: float, seed: int) -> Drawing:
    """Return the drawing above its shadow, with room for it on all sides.

    `softness` is the shadow's standard deviation as a share of the drawing's longer side; how dark it is and where it
    lies hang on the seed.
    """
    rng = random.Random(seed)
    sigma = softness * max(drawing.width, drawing.height)
    margin = math.ceil((_REACH + _OFFSET) * sigma)
    width, height = drawing.width + 2 * margin, drawing.height + 2 * margin
    room = f'x="{-margin:g}" y="{-margin:g}" width="{width:g}" height="{height:g}"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-margin:g} {-margin:g} {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}"><filter id="drop-shadow" filterUnits="userSpaceOnUse" {room}>'
        f'<feDropShadow dx="{rng.uniform(-1, 1) * sigma:g}" dy="{rng.uniform(0, _OFFSET) * sigma:g}" '
        f'stdDeviation="{sigma:g}" flood-opacity="{rng.uniform(_FAINTEST, _DARKEST):g}"/></filter>'
        f'<g filter="url(#drop-shadow)">{drawing.svg}</g></svg>'
    )
    return Drawing(name=drawing.name, svg=svg, width=width, height=height)
