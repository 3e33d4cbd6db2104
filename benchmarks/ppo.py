"""What refining a plan by the policy is worth on held-out images, beside random search and Optuna's TPE.

`python -m benchmarks.ppo [--quick] [--json FILE]`; seconds are processor time, so that neighbours do not count.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.progress import track

from benchmarks.eviction import table
from models import PlanPolicy, load_export
from models._methods import refinement_start
from models.errors import ExportError
from router.pixels import decode, measure
from training._evaluate import SPLITS
from training._images import ImageSpec, draw
from training._parquet import read_tables
from training._policy_evaluation import BUDGETS, Figures, Held, Summary, compare, spread_over_families, summarise
from training._run import _drawing
from training.errors import TrainingError

EXPORT, LABELS, CORPUS = Path("models/exported/default"), Path("training/labels"), Path("corpus")
IMAGES, QUICK_IMAGES = 60, 12  # of each split
LONGEST, QUICK_LONGEST = 1024, 160  # pixels a side
SEED = 11

Found = dict[str, dict[str, dict[str, Summary]]]


def held_out(specs: Sequence[ImageSpec], split: str, count: int, longest: int) -> list[ImageSpec]:
    """Return held-out images of a split, families in turn."""
    fitting = [spec for spec in specs if spec.split == split and spec.longest <= longest]
    return list(spread_over_families(sorted(fitting, key=lambda spec: spec.key), count))


def hold(spec: ImageSpec, corpus: Path) -> Held:
    """Draw an image and find where its refinement starts."""
    data = draw(spec, _drawing(corpus, spec))
    pixels = decode(data)
    return Held(spec, pixels, len(data), refinement_start(measure(pixels, len(data))))


def figures(given: argparse.Namespace) -> Found:
    """Run every search on every image under every budget.

    Raises:
        ExportError, TrainingError: the export, the labels or a family cannot be read, or there is no policy.
    """
    model = load_export(given.export, defaults=None).policy
    if model is None:
        raise ExportError(given.export, "it has no plan policy; run `python -m training ppo` and train again")
    policy = PlanPolicy(model)
    specs = [label.spec for label in read_tables(given.labels).get("label", [])]
    found: Found = {}
    for split in SPLITS:
        chosen = held_out(
            specs,
            split,
            given.images or (QUICK_IMAGES if given.quick else IMAGES),
            given.longest or (QUICK_LONGEST if given.quick else LONGEST),
        )
        rows: dict[str, list[dict[str, Figures]]] = {}
        for number, spec in enumerate(track(chosen, split, transient=True)):
            held = hold(spec, given.corpus)
            for budget in BUDGETS:
                rows.setdefault(_name(budget), []).append(compare(held, policy, SEED + number, budget))
        found[split] = {name: summarise(one) for name, one in rows.items()}
    return found


def _name(budget: float | None) -> str:
    return "no budget" if budget is None else f"{budget * 1000:.0f} ms"


def lines(searches: dict[str, Summary]) -> list[tuple[str, ...]]:
    """Return one row a search, for people."""
    head = ("", "quality", "error", "better", "ms", "kB", "steps", "over time")
    return [
        head,
        *(
            (
                name,
                f"{one.quality:.4f}",
                f"{one.error_ratio:.3f}",
                f"{one.better:.0%}",
                f"{one.seconds * 1000:.0f}",
                f"{one.svg_bytes / 1000:.1f}",
                f"{one.steps:.1f}",
                f"{one.overrun:.1%}",
            )
            for name, one in searches.items()
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns 0, or 1 when something cannot be read."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ppo", description=description)
    parser.add_argument("--quick", action="store_true", help="few small images, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--export", type=Path, default=EXPORT, help="the export (%(default)s)")
    parser.add_argument("--labels", type=Path, default=LABELS, help="Parquet tables (%(default)s)")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where the packages lie (%(default)s)")
    parser.add_argument("--images", type=int, help="images of each split")
    parser.add_argument("--longest", type=int, help="leave out images with a longer side, pixels")
    given = parser.parse_args(arguments)
    try:
        found = figures(given)
    except (ExportError, TrainingError) as exc:
        print(f"benchmarks: {exc}", file=sys.stderr)
        return 1
    for split, budgets in found.items():
        for budget, searches in budgets.items():
            print(f"{SPLITS[split]}, {budget}: {searches['ppo'].images} images")
            print(table(lines(searches)))
            print()
    if given.json is not None:
        given.json.write_text(json.dumps(msgspec.to_builtins(found), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
