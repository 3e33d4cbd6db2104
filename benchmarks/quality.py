"""`python -m benchmarks.quality`: what routing is worth on held-out images, from the runs in the label tables."""

import argparse
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from models import DEFAULT_MODELS, load_export
from models.errors import ExportError
from training._evaluate import SPLITS, Judged, complete, judge_export
from training._parquet import read_tables
from training._steps import POLICIES, calm
from training.errors import TrainingError

DEFAULT_LABELS = Path("training/labels")


def main(argv: list[str] | None = None) -> int:
    """Print the figures of an export on the labels; returns 0, or 1 when one of the two cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--export", type=Path, default=DEFAULT_MODELS / "default", help="the export (%(default)s)")
    parser.add_argument("--labels", type=Path, default=DEFAULT_LABELS, help="Parquet tables (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    try:
        export = load_export(args.export)
        _, labels = calm(read_tables(args.labels))
    except (ExportError, TrainingError) as exc:
        print(f"benchmarks: {exc}", file=sys.stderr)
        return 1
    judged = {
        split: judge_export(export, complete(export, [one for one in labels if one.spec.split == split]), POLICIES)
        for split in SPLITS
    }
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(judged) + b"\n")
        return 0
    for split, one in judged.items():
        _show(SPLITS[split], one)
    return 0


def _show(title: str, judged: Judged) -> None:
    console = Console()
    means = Table(title=f"{title}: {judged.images} images, no budget", title_justify="left")
    for column in ("plan", "quality", "error vs defaults", "ms", "kB", "images"):
        means.add_column(column, justify="left" if column == "plan" else "right")
    defaults = 1 - judged.means["defaults"]["quality"]
    for name, row in judged.means.items():
        means.add_row(
            name,
            f"{row['quality']:.4f}",
            f"{(1 - row['quality']) / defaults:.2f}",
            f"{row['seconds'] * 1000:.0f}",
            f"{row['svg_bytes'] / 1000:.1f}",
            f"{row['images']:.0f}",
        )
    console.print(means)
    console.print("predictor: " + ", ".join(f"{name} {value:.4f}" for name, value in judged.predictor.items()))
    for name, figures in judged.policies.items():
        console.print(f"{name}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items() if v is not None))


if __name__ == "__main__":
    sys.exit(main())
