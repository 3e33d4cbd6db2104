"""`vecroute evaluate` measures every candidate on every image and shows how good the router's choices were."""

import argparse
import os
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from router import METHODS, Policy
from vecroute.cli._arguments import EXIT_CODES, add_jobs, add_socket
from vecroute.cli._failures import Failure, failure_of
from vecroute.cli._images import Found, Missing, find_images, is_directory
from vecroute.cli._outputs import check_writable, write_whole
from vecroute.cli._routing import Asker
from vecroute.cli._terminal import progress, say, speed_text
from vecroute.cli._work import ends_on_sigterm, in_order
from vecroute.cli.errors import PlotsMissing, UsageError

if TYPE_CHECKING:
    from vecroute.cli._measuring import Measured
    from vecroute.cli._report_worst import Worst

HELP = "measure how good the router's choices are"
DESCRIPTION = """\
Run every candidate (each method with each of its plans) and the fixed plans, plain VTracer defaults among them, on
every image, and compare the router's choice with the single best candidate (SBS) and the best one for each image
(VBS), for each quality target, time budget and SVG budget.

Utility of a run: 0 if it breaks a budget, else min(quality / target, 1). Gap closed: (router - SBS) / (VBS - SBS),
made of utilities averaged over cells before dividing.

Where a drawing with the image's name and the suffix .svg lies beside an image, that is taken for its true source, and
fidelity_4x is measured too: SSIM of the result against the source, both drawn four times as large."""
EPILOG = f"""\
examples:
  vecroute evaluate logos/
  vecroute evaluate logos/ --html report.html              # plots, tables, and the ten worst decisions in pictures
  vecroute evaluate logos/ --json result.json --models ./models/exported
  vecroute evaluate logos/ --policy weighted --jobs 4    # faster, seconds less true

The JSON file holds `rows` (one a run: image, method, candidate, plan, quality, seconds, svg_bytes, predicted_quality,
predicted_seconds, fidelity_4x, ...), `choices` (one per image, target and budgets), `cells` (one per target and
budgets), `headline`, `pooled`. The HTML file holds everything it shows; its plots need the extra `report`.

{EXIT_CODES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `evaluate` takes."""
    parser.add_argument("image", nargs="+", metavar="DIR", help="directory (everything below it), image or pattern")
    parser.add_argument("--models", type=Path, metavar="DIR", help="directory of exports (default: the packaged one)")
    parser.add_argument(
        "--policy", choices=["weighted", "constrained"], default=Policy().name, help="default: %(default)s"
    )
    add_jobs(parser, 1, "default: 1, so that nothing beside a conversion makes it slower")
    add_socket(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rows, choices and figures to this file")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a report to this file, one page that loads nothing: figures, plots, the ten worst decisions with "
        "their pictures (needs matplotlib: pip install 'vecroute[report]')",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, choose, compare and show; return 1 if an image failed."""
    from vecroute.cli._evaluation import evaluation
    from vecroute.cli._report_worst import Worst
    from vecroute.cli._tables import show_evaluation

    for flag, path in (("--json", args.json), ("--html", args.html)):
        _check(flag, path)
    worst = None
    if args.html is not None:
        check_plots()
        worst = Worst()
    results = find_images(args.image)
    found = [one for one in results if isinstance(one, Found)]
    failures = [failure_of(one.path, one.problem) for one in results if isinstance(one, Missing)]
    measured = _measure(args, found, failures, worst)
    for failure in failures:
        failure.tell(json=False)
    if not measured:
        say("no image could be measured; there is nothing to compare")
        return 1
    result = evaluation(measured, failures)
    if args.json is not None:
        write_whole(args.json, msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + os.linesep)
    if worst is not None:
        from vecroute.cli._report_page import page

        write_whole(args.html, page(result, worst, args.policy))
    show_evaluation(result)
    return int(bool(failures))


def _measure(
    args: argparse.Namespace, found: Sequence[Found], failures: list[Failure], worst: "Worst | None"
) -> "list[Measured]":
    """Measure the images in order; add what failed to the failures, and show `worst` what is left of the others."""
    from vecroute.cli._evaluation import weigh
    from vecroute.cli._measuring import Evaluator

    measured = []
    with ends_on_sigterm(), Asker(args.socket, models=args.models) as asker:
        jobs = max(1, min(args.jobs, len(found)))
        evaluator = Evaluator(asker, args.policy, jobs, keep=worst is not None)
        try:
            with (
                progress("evaluating", len(found)) as advance,
                closing(in_order(found, evaluator.measure, jobs, evaluator.close)) as answers,
            ):
                for answer in answers:
                    if isinstance(answer, Failure):
                        failures.append(answer)
                    else:
                        weighed = weigh(answer)
                        if worst is not None:
                            worst.see(weighed)
                        measured.append(msgspec.structs.replace(weighed, kept=None))
                    advance()
        finally:
            evaluator.close()
        if len(measured) > 1 and (speed := asker.host.speed()):
            say(f"this host: {speed_text(dict(zip(METHODS, speed, strict=True)))}, which later choices allowed for")
    return measured


def _check(flag: str, path: Path | None) -> None:
    """Make sure before the work that a result can be written.

    Raises:
        UsageError: the path is a directory.
        Unwritable: see `check_writable`.
    """
    if path is None:
        return
    if is_directory(path):
        raise UsageError(f"{path} is a directory; name a file for {flag}")
    check_writable(path)


def check_plots() -> None:
    """Make sure that plots can be drawn, without loading what draws them.

    Raises:
        PlotsMissing: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise PlotsMissing
