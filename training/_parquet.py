"""Finished labels as two Parquet tables, small enough to be kept with the code: one row an image, one row a run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from training._run import Label, Run
from training.errors import LabelsDamaged

IMAGES, RUNS = "images.parquet", "runs.parquet"
_NO_RUN = ("runs",)


def write_tables(folder: Path, phases: Mapping[str, Iterable[Label]]) -> None:
    """Write each phase's labels; each file is written beside its target and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for phase, labels in phases.items():
        for one in labels:
            images.append({"phase": phase, **_flat(msgspec.structs.replace(one, runs=()))})
            runs += [{"phase": phase, "key": one.key, **_flat(run)} for run in one.runs]
    for name, rows in ((IMAGES, images), (RUNS, runs)):
        building = folder / f".{name}.part"
        pq.write_table(pa.Table.from_pylist(rows), building, compression="zstd", compression_level=19)
        building.replace(folder / name)


def read_tables(folder: Path) -> dict[str, list[Label]]:
    """Return the labels of each phase.

    Raises:
        LabelsDamaged: a table is missing or cannot be read.
    """
    images, runs = (_read(folder / name) for name in (IMAGES, RUNS))
    try:
        return _labels(images, runs)
    except (KeyError, msgspec.ValidationError) as exc:
        # A table of another version: a column is missing or holds something else.
        raise LabelsDamaged(folder, f"{type(exc).__name__}: {exc}") from exc


def _labels(images: list[dict[str, Any]], runs: list[dict[str, Any]]) -> dict[str, list[Label]]:
    of_image: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for row in runs:
        of_image[row.pop("phase"), row.pop("key")].append(msgspec.convert(_nested(row), Run, strict=False))
    phases: dict[str, list[Label]] = defaultdict(list)
    for row in images:
        phase = row.pop("phase")
        label = msgspec.convert(_nested(row), Label, strict=False)
        phases[phase].append(msgspec.structs.replace(label, runs=tuple(of_image[phase, label.key])))
    return dict(phases)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]
    except (OSError, pa.ArrowException) as exc:
        raise LabelsDamaged(path, str(exc).splitlines()[0]) from exc


def _flat(value: msgspec.Struct) -> dict[str, Any]:
    """Return a struct's fields, nested ones as `outer.inner`, without runs."""
    row: dict[str, Any] = {}
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        if isinstance(inner, msgspec.Struct):
            row |= {f"{name}.{key}": one for key, one in _flat(inner).items()}
        elif name not in _NO_RUN:
            row[name] = list(inner) if isinstance(inner, tuple) else inner
    return row


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in row.items():
        outer, _, inner = key.partition(".")
        if inner:
            out.setdefault(outer, {})[inner] = value
        else:
            out[outer] = value
    return out | ({"runs": ()} if "features" in out else {})
