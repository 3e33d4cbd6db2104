"""VTracer's paths in fewer bytes: relative steps instead of absolute ones, no transform of their own; same geometry."""

import re
from collections.abc import Iterable, Sequence
from operator import sub

# What VTracer writes for whole coordinates; curves have decimals and are left as they are.
PATH = re.compile(r'<path d="([^"]*)" fill="([^"]*)" transform="translate\((-?\d+),(-?\d+)\)"/>')
_WHOLE = re.compile(r"[-MLZ0-9, ]*")


def compact(path: str) -> str:
    """Return one path element, shorter where its coordinates are whole numbers, else unchanged."""
    match = PATH.fullmatch(path)
    if match is None or _WHOLE.fullmatch(match[1]) is None:
        return path
    left, top = int(match[3]), int(match[4])
    rings = [_moved(text, left, top) for text in match[1].split("Z") if text.strip()]
    return f'<path d="{"".join(rings)}" fill="{color(match[2])}"/>'


def _moved(text: str, left: int, top: int) -> str:
    """Return `M0,0 L4,0 L4,2`, moved by (left, top), as `M0,0h4v2z`."""
    numbers = list(map(int, text.strip()[1:].replace(" L", ",").split(",")))
    return ring(numbers[0::2], numbers[1::2], left, top)


def ring(xs: Sequence[int], ys: Sequence[int], left: int = 0, top: int = 0) -> str:
    """Return the closed polygon through some points, moved by (left, top), as path commands."""
    steps = _steps(map(sub, xs[1:], xs), map(sub, ys[1:], ys))
    return f"M{xs[0] + left},{ys[0] + top}{steps}z"


def _steps(across: Iterable[int], down: Iterable[int]) -> str:
    """Return the steps as path commands: h or v where they are straight, else l, which is not said twice in a row."""
    parts, said = [], False
    for x, y in zip(across, down, strict=True):
        if x and y:
            parts.append(f"{x},{y}" if said and x < 0 else f"{' ' if said else 'l'}{x},{y}")
        else:
            parts.append(f"v{y}" if y else f"h{x}")
        said = bool(x and y)
    return "".join(parts).replace(",-", "-")


def color(fill: str) -> str:
    """Return `#AABBCC` as `#ABC`, another colour as it is."""
    short = fill[1::2]
    return f"#{short}" if len(fill) == 7 and short == fill[2::2] else fill
