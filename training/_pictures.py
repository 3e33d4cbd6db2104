"""The held-out images as files, each beside the drawing it was made of: what `vecroute evaluate` can be tried on."""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from training._corpus import Drawing, drawings, families
from training._images import Ground, ImageSpec, draw, shown

_ROOT = re.compile(r'<svg [^>]*viewBox="(\S+) (\S+) (\S+) (\S+)"[^>]*>')
_FILL: dict[Ground, str] = {"white": "#fff", "black": "#000"}


def spread(specs: Iterable[ImageSpec], limit: int | None = None) -> list[ImageSpec]:
    """Return the specs of held-out images, families in turn; `limit` cuts the list, so that all have their share."""
    by_family: dict[str, list[ImageSpec]] = {}
    for spec in specs:
        if spec.split != "train":
            by_family.setdefault(f"{spec.split}/{spec.family}", []).append(spec)
    turns = zip_longest(*(by_family[name] for name in sorted(by_family)))
    return [spec for turn in turns for spec in turn if spec is not None][:limit]


def write_pictures(
    specs: Sequence[ImageSpec], corpus: Path, folder: Path, advance: Callable[[], object] = lambda: None
) -> None:
    """Write each image to folder/split/family/drawing-longest-grade.png (or .jpg), its source beside it as .svg.

    A file appears when it is whole, the image after its source; `advance` is called after each image.

    Raises:
        FamilyMissing: a family's archive is not in the corpus folder.
        OSError: a file cannot be written.
    """
    taken: set[Path] = set()
    for spec in sorted(specs, key=lambda spec: spec.family):
        drawing = _family(corpus, spec.family)[spec.drawing]
        name = re.sub(r"[^\w-]", "_", f"{spec.drawing}-{spec.longest}-{spec.grade}")
        stem = folder / spec.split / spec.family / name
        if stem in taken:  # the same drawing at the same size: another ground or seed
            stem = stem.with_name(f"{stem.name}-{spec.key[:6]}")
        taken.add(stem)
        _write(stem.with_suffix(".svg"), source(spec, drawing).encode())
        _write(stem.with_suffix(".jpg" if spec.grade == "jpeg" else ".png"), draw(spec, drawing))
        advance()


def source(spec: ImageSpec, drawing: Drawing) -> str:
    """Return the drawing as the image shows it, undamaged: in the spec's colour, on its ground, with its shadow."""
    svg = shown(spec, drawing).svg.replace("currentColor", spec.color)
    root = _ROOT.match(svg)
    assert root, "every drawing begins with its view box"
    if spec.ground == "transparent":
        return svg
    left, top, width, height = root.groups()
    ground = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{_FILL[spec.ground]}"/>'
    return svg[: root.end()] + ground + svg[root.end() :]


@functools.lru_cache(maxsize=1)
def _family(corpus: Path, name: str) -> dict[str, Drawing]:
    family = next(one for one in families() if one.name == name)
    return drawings(corpus / family.archive, family.package)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_name(f".{path.name}.tmp")
    try:
        waiting.write_bytes(data)
        waiting.replace(path)
    except BaseException:
        waiting.unlink(missing_ok=True)
        raise
