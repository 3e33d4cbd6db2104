"""`vecroute evaluate` measures every candidate on every image and shows how good the router's choices were."""

import argparse
import os
from contextlib import closing
from pathlib import Path

import msgspec

from router import Policy
from vecroute.cli._arguments import EXIT_CODES, add_jobs, add_socket
from vecroute.cli._failures import Failure, failure_of
from vecroute.cli._images import Found, Missing, find_images, is_directory
from vecroute.cli._outputs import check_writable, write_whole
from vecroute.cli._routing import Asker
from vecroute.cli._terminal import progress, say
from vecroute.cli._work import ends_on_sigterm, in_order
from vecroute.cli.errors import UsageError

HELP = "measure how good the router's choices are"
DESCRIPTION = """\
Run every candidate (each method with each of its plans) and the fixed plans, plain VTracer defaults among them, on
every image, and compare the router's choice with the single best candidate (SBS) and the best one for each image
(VBS), for each quality target, time budget and SVG budget.

Utility of a run: 0 if it breaks a budget, else min(quality / target, 1). Gap closed: (router - SBS) / (VBS - SBS),
made of utilities averaged over cells before dividing."""
EPILOG = f"""\
examples:
  vecroute evaluate logos/
  vecroute evaluate logos/ --json result.json --models ./models/exported
  vecroute evaluate logos/ --policy weighted --jobs 4    # faster, seconds less true

The JSON file holds `rows` (one a run: image, method, candidate, plan, quality, seconds, svg_bytes, predicted_quality,
predicted_seconds), `choices` (one per image, target and budgets), `cells` (one per target and budgets), `pooled`.

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


def run(args: argparse.Namespace) -> int:
    """Measure, choose, compare and show; return 1 if an image failed."""
    from vecroute.cli._evaluation import evaluation
    from vecroute.cli._measuring import Evaluator, Measured
    from vecroute.cli._tables import show_evaluation

    if args.json is not None and is_directory(args.json):
        raise UsageError(f"{args.json} is a directory; name a file for --json")
    if args.json is not None:
        check_writable(args.json)
    results = find_images(args.image)
    found = [one for one in results if isinstance(one, Found)]
    failures = [failure_of(one.path, one.problem) for one in results if isinstance(one, Missing)]
    measured: list[Measured] = []
    with ends_on_sigterm(), Asker(args.socket, models=args.models) as asker:
        jobs = max(1, min(args.jobs, len(found)))
        evaluator = Evaluator(asker, args.policy, jobs)
        try:
            with (
                progress("evaluating", len(found)) as advance,
                closing(in_order(found, evaluator.measure, jobs, evaluator.close)) as answers,
            ):
                for answer in answers:
                    if isinstance(answer, Failure):
                        failures.append(answer)
                    else:
                        measured.append(answer)
                    advance()
        finally:
            evaluator.close()
    for failure in failures:
        failure.tell(json=False)
    if not measured:
        say("no image could be measured; there is nothing to compare")
        return 1
    result = evaluation(measured, failures)
    if args.json is not None:
        write_whole(args.json, msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + os.linesep)
    show_evaluation(result)
    return int(bool(failures))
