"""Arguments that several commands share, checked by the router's own rules."""

import argparse
import os
from pathlib import Path

from router import METHODS, Constraints
from router.errors import RouterError
from vecroute.cli.errors import UsageError

EXIT_CODES = """exit codes:
  0  all went well
  1  something failed: one line on standard error tells what, and all other images were still done
  2  the command line makes no sense
  130  stopped by Ctrl-C or SIGTERM"""


def add_socket(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the daemon's socket."""
    parser.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="the daemon's socket (default: $VECROUTE_SOCKET, else the user's runtime directory, or /run for root)",
    )


def add_wishes(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a conversion should reach."""
    group = parser.add_argument_group("what to reach (all optional; together they bound the choice)")
    group.add_argument("--quality-target", type=float, metavar="Q", help="SSIM to reach, above 0 and up to 1")
    group.add_argument("--time-budget", type=float, metavar="SECONDS", help="time one conversion may take")
    group.add_argument("--svg-budget", type=int, metavar="BYTES", help="size that one SVG may have")
    group.add_argument(
        "--policy",
        choices=["weighted", "constrained"],
        help="how candidates are weighed: `constrained` takes the cheapest that meets the target, `weighted` "
        "scores quality against time (default: the daemon's setting)",
    )


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add the option that leaves one method only."""
    parser.add_argument("--method", choices=METHODS, metavar="M", help=f"this method only: {', '.join(METHODS)}")


def add_jobs(parser: argparse.ArgumentParser, default: int, note: str) -> None:
    """Add the option for how many images are worked on at once."""
    parser.add_argument("--jobs", type=_count, default=default, metavar="N", help=f"images at once ({note})")


def constraints(args: argparse.Namespace) -> Constraints:
    """Return what the options ask for.

    Raises:
        UsageError: a value outside its range.
    """
    try:
        return Constraints(
            quality_target=args.quality_target,
            time_budget=args.time_budget,
            svg_budget=args.svg_budget,
            policy=args.policy,
            method=getattr(args, "method", None),
        )
    except RouterError as exc:
        raise UsageError(str(exc)) from exc


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def _count(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no count; give a whole number of at least 1")
