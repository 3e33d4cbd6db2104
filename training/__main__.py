"""`python -m training`: corpus to labels to models to export, each step resumable."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from models.errors import ExportError
from training import _handover, _policy, _steps
from training._learn import EPOCHS
from training._reuse import EXPORT as SOURCE
from training._reuse import TABLES
from training.errors import Incomplete, TrainingError

STEPS = {
    "fetch": _steps.fetch_corpus,
    "explore": _steps.explore,
    "search": _steps.search,
    "fit": _steps.fit,
    "ppo": _policy.train_ppo,
    "label": _steps.label_images,
    "refine": _steps.refine_images,
    "repeat": _steps.repeat,
    "train": _steps.train_models,
    "evaluate": _steps.evaluate,
    "pictures": _steps.pictures,
    "reuse": _handover.reuse_labels,
    "plot": _handover.plot_export,
    "bundle": _handover.bundle_export,
}
EXPORT, PICTURES = Path("models/exported/default"), Path("pictures")
# Beside the way from corpus to export: no part of `all`.
ASIDE = frozenset({"pictures", "reuse", "plot", "bundle"})
ORDER = [step for step in STEPS if step not in ASIDE]
# These take minutes on the smallest corpus; trying things out does without.
LONG = frozenset({"ppo", "refine", "repeat"})
GROUPS = {"labels": ORDER[: ORDER.index("train")], "all": ORDER}


def main(argv: list[str] | None = None) -> int:
    """Run some steps, or all of them.

    Returns 0, 1 with what is wrong or missing on standard error, or 130 when stopped by Ctrl-C.
    """
    settings = _parse(argv)
    named = [step for word in settings.step for step in GROUPS.get(word, [word])]
    chosen = [step for step in named if not (settings.quick and step in LONG)]
    work = _steps.Work(
        corpus=settings.corpus,
        folder=settings.work,
        labels=settings.labels,
        export=settings.out or (PICTURES if chosen == ["pictures"] else EXPORT),
        workers=settings.workers,
        scale=settings.scale,
        largest=settings.largest,
        limit=settings.limit,
        tables=settings.tables,
        source=settings.source,
        zip=settings.zip,
        epochs=settings.epochs,
        engine=settings.engine,
        ray_address=settings.ray_address,
    )
    try:
        # A list, so that what comes after an incomplete step is still run.
        whole = [_run(step, work) for step in chosen]
    except (TrainingError, ExportError) as exc:
        print(f"training: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:
        print(
            f"training: {exc}; free some room or choose another folder, then run the same command again",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("training: stopped; run the same command again to go on where it stopped", file=sys.stderr)
        return 130
    return 0 if all(whole) else 1


def _run(step: str, work: _steps.Work) -> bool:
    """Run a step, and return whether nothing is missing. One that is only incomplete says so and lets others go on."""
    try:
        STEPS[step](work)
    except Incomplete as exc:
        print(f"training: {exc}", file=sys.stderr)
        return False
    return True


def _summary(step: Callable[[_steps.Work], None]) -> str:
    """Return what a step says of itself, in one line."""
    return (step.__doc__ or "").partition("\n")[0]


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=__doc__,
        epilog="steps:\n" + "\n".join(f"  {name:9} {_summary(step)}" for name, step in STEPS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", nargs="+", choices=[*STEPS, *GROUPS], help="in this order; labels: all before train")
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="where the packages lie (%(default)s)")
    parser.add_argument("--work", type=Path, default=Path("labels-work"), help="where runs are kept (%(default)s)")
    parser.add_argument("--labels", type=Path, default=Path("training/labels"), help="Parquet tables (%(default)s)")
    parser.add_argument("--out", type=Path, help=f"the export ({EXPORT}), or the folder of pictures ({PICTURES})")
    parser.add_argument("--workers", type=_count, help="images at a time (all processors)")
    parser.add_argument("--epochs", type=_count, default=EPOCHS, help="passes over the labels (%(default)s)")
    parser.add_argument("--engine", choices=["local", "ray"], default="local", help="what labels (%(default)s)")
    parser.add_argument("--ray-address", help="a cluster, host:port (one that runs here, else one of its own)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the corpus to use (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long on the smallest corpus")
    parser.add_argument("--largest", type=_count, help="no image has a longer side, px; to try things out (no limit)")
    parser.add_argument("--limit", type=_count, help="so many pictures, spread evenly over families (all)")
    parser.add_argument("--tables", type=Path, default=TABLES, help="labels to reuse (those of the package)")
    parser.add_argument("--source", type=Path, default=SOURCE, help="the export trained on them (the default export)")
    parser.add_argument("--zip", type=Path, default=Path("export.zip"), help="what bundle writes (%(default)s)")
    settings = parser.parse_args(argv)
    if settings.ray_address and settings.engine != "ray":
        parser.error("--ray-address is of use with --engine ray only")
    return settings


def _count(text: str) -> int:
    """Return a number of at least 1; argparse tells a ValueError as a wrong argument."""
    if (count := int(text)) < 1:
        raise ValueError(text)
    return count


if __name__ == "__main__":
    sys.exit(main())
