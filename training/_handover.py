"""The steps beside the way from corpus to export: labels taken over from elsewhere, and an export handed out."""

import sys

from models import load_export
from training._bundle import bundle
from training._evaluate import SPLITS
from training._parquet import read_tables
from training._reuse import reuse
from training._steps import Work, calm
from training.errors import ExtraMissing


def reuse_labels(work: Work) -> None:
    """Lay finished label tables out in the work folder, so that `train` needs no labelling."""
    reused = reuse(work.tables, work.source, work.folder)
    counts = ", ".join(f"{count} of {phase}" for phase, count in reused.images.items())
    print(f"reuse: images: {counts}; {reused.known:.0%} of the plans on offer were run on them", file=sys.stderr)


def plot_export(work: Work) -> None:
    """Plot predicted beside measured on the held-out labels, and print the figures."""
    try:
        from training._plots import plot
    except ModuleNotFoundError as exc:
        raise ExtraMissing(str(exc.name), "report") from exc
    _, labelled = calm(read_tables(work.labels))
    splits = {split: [label for label in labelled if label.spec.split == split] for split in SPLITS}
    out = work.folder / "plots.png"
    for line in plot(load_export(work.export), {split: labels for split, labels in splits.items() if labels}, out):
        print(line)
    print(f"plots: {out}", file=sys.stderr)


def bundle_export(work: Work) -> None:
    """Check an export and pack it into one zip file."""
    bundled = bundle(work.export, work.zip)
    print(f"bundle: {bundled.directory}, lanes {' and '.join(bundled.lanes)}, {bundled.bytes:,} bytes in {work.zip}")
