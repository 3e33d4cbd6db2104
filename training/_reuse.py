"""Finished label tables become a work folder again, so that models are trained anew without hours of labelling."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from models import DEFAULT_MODELS, Export, load_export
from models._manifest import POLICY, POLICY_GOLDEN
from models._staging import describe
from training._labelfile import LabelFile, read_labels
from training._parquet import read_tables
from training._policyfile import TrainedPolicy, write_policy
from training._run import Label
from training.errors import LabelsForeign

# What comes with the package: the tables, and the export whose plans they hold.
TABLES, EXPORT = Path(__file__).parent / "labels", DEFAULT_MODELS / "default"
LOOKED_AT = 50  # images whose plans are compared: enough to tell another regressor


class Reused(msgspec.Struct, frozen=True, kw_only=True):
    """How many images each phase got, and the share of the plans on offer that were labelled."""

    images: dict[str, int]
    known: float


def reuse(tables: Path, export: Path, folder: Path) -> Reused:
    """Lay the tables' labels out in `folder` as the steps leave them; the export that offered their plans is `fitted`.

    Labels that lie there already stay, if they are of these tables; running it again changes nothing.

    Raises:
        LabelsDamaged: a table is missing or cannot be read.
        LabelsForeign: the export offers other plans, or the folder holds labels of another origin.
        ExportError: the export does not load.
    """
    phases = read_tables(tables)
    labelled = phases.get("label", [])
    if not labelled:
        raise LabelsForeign(tables, "no image in the phase label", "name tables that `train` wrote")
    known = share_known(load_export(export), labelled)
    if not known:
        raise LabelsForeign(tables, f"{export} offers other plans", "name the export that was trained on them")
    for phase, labels in phases.items():
        _lay_out(labels, folder / f"{phase}.jsonl")
    _copy_export(export, folder / "fitted")
    _copy_policy(folder / "fitted", folder / "policy")
    return Reused(images={phase: len(labels) for phase, labels in phases.items()}, known=known)


def share_known(export: Export, labels: Sequence[Label]) -> float:
    """Return the share of the plans that an export offers for some labelled images which were run on them."""
    runs = [
        (method, plan) in {(run.origin, run.plan) for run in label.runs}
        for label in labels[:LOOKED_AT]
        for method, plan in export.candidates(label.features)
        # What a policy makes of its start is measured on fewer images, in a step of its own.
        if method != "ppo"
    ]
    return sum(runs) / len(runs) if runs else 0.0


def _lay_out(labels: Sequence[Label], path: Path) -> None:
    lying = {label.key for label in read_labels(path)}
    if foreign := lying - {label.key for label in labels}:
        raise LabelsForeign(path, f"{len(foreign)} of them are not in the tables", "choose another folder with --work")
    with LabelFile(path) as file:
        for label in labels:
            if label.key not in lying:
                file.append(label)


def _copy_export(export: Path, folder: Path) -> None:
    """Put a copy of the export in place of whatever lies there."""
    with tempfile.TemporaryDirectory(prefix=".fitted-", dir=folder.parent) as building:
        copy = shutil.copytree(export, Path(building) / folder.name)
        shutil.rmtree(folder, ignore_errors=True)
        copy.replace(folder)


def _copy_policy(export: Path, folder: Path) -> None:
    """Leave an export's plan policy as the step that trains one does, so that the next export has it too."""
    manifest = describe(export).manifest
    names = [name for role in (POLICY, POLICY_GOLDEN) for name in manifest.of_role(role)]
    if manifest.policy is not None and len(names) == 2:
        onnx, golden = ((export / name).read_bytes() for name in names)
        write_policy(TrainedPolicy(spec=manifest.policy, onnx=onnx, golden=golden), folder)
