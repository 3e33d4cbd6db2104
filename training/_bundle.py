"""An export becomes one zip file: checked lane by lane, the same bytes every time, unpacked right where exports lie."""

import math
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import cv2
import msgspec
import numpy as np

from models import Export, load_export
from models._manifest import MANIFEST_NAME, Manifest
from models._staging import Staged, describe, staged
from models.errors import PredictionError
from router import Candidate
from router.pixels import Sample, sample
from training.errors import ExportUnfit

_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)  # what a zip can tell
TINY = 1e-9  # keeps a predicted 0 from having no logarithm
_READABLE = 0o100644 << 16  # a regular file: its owner writes, all read


class Bundled(msgspec.Struct, frozen=True, kw_only=True):
    """What was packed: the directory inside the zip, the lanes that were checked, the size of the zip."""

    directory: str
    lanes: tuple[str, ...]
    bytes: int


def bundle(export: Path, out: Path) -> Bundled:
    """Write an export that serves as a zip file whose one directory is `<name>-<version>`.

    The bytes depend on the export alone. The manifest comes last, so that unpacking right into a watched directory
    never shows half an export there; the file itself appears when it is whole.

    Raises:
        ExportError: the export does not load.
        ExportUnfit: it has no predictor, a lane does not serve, the lanes disagree, or it changed under our hands.
        OSError: the file cannot be written.
    """
    lanes = check(export)
    out.parent.mkdir(parents=True, exist_ok=True)
    # The files come from a private copy, hashed while it was made: what was checked is what is packed.
    with (
        staged(describe(export), None) as copy,
        tempfile.TemporaryDirectory(prefix=".zip-", dir=out.parent) as building,
    ):
        if any(lane.info.digest != copy.digest for lane in lanes.values()):
            raise ExportUnfit(export, "it changed while it was packed")
        packed = Path(building) / out.name
        _pack(copy, packed)
        packed.replace(out)
    name = directory_name(copy.manifest)
    return Bundled(directory=name, lanes=tuple(lanes), bytes=out.stat().st_size)


def check(export: Path) -> dict[str, Export]:
    """Return the export once for each lane it brings, each loaded on its own and true to the golden samples.

    Raises:
        ExportError: it does not load.
        ExportUnfit: it has no predictor, a lane does not serve, or two lanes disagree.
    """
    manifest = describe(export).manifest
    brought, allowed = manifest.predictors(), manifest.golden.tolerance
    if not brought:
        raise ExportUnfit(export, "it has no predictor")
    lanes = {lane: load_export(export, lanes=(lane,)) for lane in brought}
    for loaded in lanes.values():
        if loaded.problems:
            raise ExportUnfit(export, loaded.problems[0])
    try:
        apart = _apart(list(lanes.values()))
    except PredictionError as exc:
        raise ExportUnfit(export, str(exc)) from exc
    if apart > allowed:
        raise ExportUnfit(export, f"its lanes are {apart:.2g} apart, allowed is {allowed:.2g}")
    return lanes


def directory_name(manifest: Manifest) -> str:
    """Return `<name>-<version>` as one plain directory name that is not hidden; hidden ones are passed over."""
    words = [manifest.name, manifest.version]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(filter(None, words))).lstrip(".-") or "export"


def _pack(copy: Staged, packed: Path) -> None:
    folder, moment = directory_name(copy.manifest), copy.manifest.created_utc()
    with ZipFile(packed, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(copy.manifest.files):
            archive.writestr(_entry(f"{folder}/{name}", moment), (copy.root / name).read_bytes())
        archive.writestr(_entry(f"{folder}/{MANIFEST_NAME}", moment), copy.described.data)


def _entry(name: str, moment: datetime) -> ZipInfo:
    """Return an entry as old as the export: a bare manifest without `created` is as old as its file."""
    told = min(max(moment.astimezone(UTC), _EARLIEST), _LATEST)
    entry = ZipInfo(name, told.timetuple()[:6])
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, _READABLE
    entry.create_system = 3  # Unix, wherever it is packed: only then the mode counts
    return entry


def _apart(lanes: Sequence[Export]) -> float:
    """Return how far any lane is from the first on one picture: absolute, relative where a number exceeds 1."""
    picture = _picture()
    first, *others = (np.array([_numbers(c) for c in lane.predict(picture).candidates]) for lane in lanes)
    scale = np.maximum(np.abs(first), 1.0)
    return max((float(np.max(np.abs(other - first) / scale)) for other in others), default=0.0)


def _numbers(candidate: Candidate) -> tuple[float, ...]:
    """Return what was predicted, on the scales on which models answer."""
    return candidate.quality, math.log(candidate.seconds + TINY), math.log(candidate.svg_bytes + TINY)


def _picture() -> Sample:
    """Return a small picture with edges and a gradient, measured as any image."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[..., 2] = np.arange(64) * 3
    pixels[12:36, 16:48] = (40, 160, 220)
    return sample(bytes(cv2.imencode(".png", pixels)[1]))
