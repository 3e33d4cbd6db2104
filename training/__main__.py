"""`python -m training`: corpus to labels to models to export, each step resumable."""

import argparse
import os
import sys
from pathlib import Path

from training._corpus import drawings, families, fetch
from training._images import ImageSpec, specs
from training._progress import bar
from training._run import Label, Task, run_all
from training.errors import TrainingError

SEED = 20261124
SEARCH_SHARE = 0.4  # of the training images are searched; the rest are only labelled with candidates
SEARCH_PLANS = 14
LABEL_PLANS = 3


def main(argv: list[str] | None = None) -> int:
    """Run one step, or all of them. Returns 0, or 1 with the error on standard error."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("step", choices=["fetch", "search", "fit", "label", "train", "all"])
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="where the packages lie (default: corpus)")
    parser.add_argument(
        "--work", type=Path, default=Path("labels-work"), help="where runs are kept (default: labels-work)"
    )
    parser.add_argument("--out", type=Path, default=Path("models/exported/default"), help="the export to write")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="worker processes (default: cores)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the corpus to use (default: 1)")
    args = parser.parse_args(argv)
    steps = ["fetch", "search", "fit", "label", "train"] if args.step == "all" else [args.step]
    try:
        for step in steps:
            _STEPS[step](args)
    except TrainingError as exc:
        print(f"training: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("training: stopped; run the same command again to go on where it stopped", file=sys.stderr)
        return 130
    return 0


def _fetch(args: argparse.Namespace) -> None:
    chosen = families()
    with bar("fetch", len(chosen)) as (progress, task):
        for family in chosen:
            fetch(family, args.corpus)
            progress.advance(task)


def _specs(args: argparse.Namespace) -> list[ImageSpec]:
    """Return all image specs, in an order in which any beginning is a fair sample."""
    found = []
    for family in families():
        names = list(drawings(fetch(family, args.corpus), family.package))
        found += specs(family, names, count=max(1, round(family.images * args.scale)), seed=SEED)
    return sorted(found, key=lambda s: s.key)


def _search(args: argparse.Namespace) -> None:
    trained = [s for s in _specs(args) if s.split == "train"]
    some = trained[: round(len(trained) * SEARCH_SHARE)]
    tasks = [Task(spec=s, random_plans=SEARCH_PLANS, corpus=args.corpus, seed=SEED) for s in some]
    _run("search", tasks, args)


def _run(name: str, tasks: list[Task], args: argparse.Namespace) -> None:
    with bar(name, len(tasks)) as (progress, task):

        def show(what: Label | str) -> None:
            if isinstance(what, str):
                progress.console.print(f"failed: {what}")
            progress.advance(task)

        _, failures = run_all(tasks, args.work / f"{name}.jsonl", workers=args.workers, progress=show)
    print(f"{name}: {len(tasks) - len(failures)} of {len(tasks)} images, {len(failures)} failed", file=sys.stderr)


_STEPS = {"fetch": _fetch, "search": _search}


if __name__ == "__main__":
    sys.exit(main())
