"""Tiny corpora: archives as `npm pack` writes them, with a few drawings in each."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from training._corpus import Family

TRAINED = Family(package="@tiny/shapes", version="1.0.0", licence="CC0-1.0", images=8, split="train")
HELD_OUT = Family(package="@tiny/badges", version="1.0.0", licence="CC0-1.0", images=4, split="validate")
COLORS = ("#c81e1e", "#1e64c8", "#e0b020", "#2a8a4a")


def icons(count: int = 12) -> dict[str, Any]:
    """Return the content of an `icons.json`: discs, bars, gradients and soft shapes, 24 units a side."""
    found = {f"shape-{i}": {"body": _body(i)} for i in range(count)}
    return {"prefix": "tiny", "width": 24, "height": 24, "icons": found}


def _body(i: int) -> str:
    color, other = COLORS[i % 4], COLORS[(i + 1) % 4]
    return (
        f'<circle cx="{8 + i % 5}" cy="10" r="{4 + i % 4}" fill="{color}"/>',
        f'<path d="M2 {3 + i % 6}h20v4H2zM6 {12 + i % 6}h12v4H6z" fill="currentColor"/>',
        f'<rect x="2" y="2" width="20" height="{12 + i % 8}" fill="{color}"/><path d="M9 6h6v6z" fill="{other}"/>',
        f'<path d="M3 3h18v18H3z" fill="{color}" opacity="0.4"/><path d="M6 6l12 {6 + i % 6}L6 18z" fill="{other}"/>',
    )[i % 4]


def pack(folder: Path, family: Family, content: dict[str, Any] | None = None) -> Path:
    """Write a family's archive into a folder."""
    data = json.dumps(icons() if content is None else content).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / family.archive
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("package/icons.json")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return path


def corpus_toml(*families: Family) -> str:
    """Return the families as `corpus.toml` names them."""
    lines = []
    for split in ("train", "validate"):
        lines.append(f"[{split}]")
        lines += [
            f'"{f.package}" = {{ version = "{f.version}", licence = "{f.licence}", images = {f.images} }}'
            for f in families
            if f.split == split
        ]
    return "\n".join(lines) + "\n"
