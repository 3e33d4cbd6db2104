"""`vecroute warm` has the daemon compute decisions before anybody needs them."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from router import RoutingDecision
from router.errors import RouterError
from vecroute import errors
from vecroute._client import Client
from vecroute.cli._arguments import EXIT_CODES, add_jobs, add_socket, cores
from vecroute.cli._failures import Failure, failure_of
from vecroute.cli._images import SUFFIXES, Found, Missing, find_images
from vecroute.cli._terminal import name_of, progress, say, show
from vecroute.cli._work import ends_on_sigterm, in_order
from vecroute.cli.errors import UsageError
from vecroute.errors import VecrouteError

HELP = "fill the cache with decisions before they are needed"
DESCRIPTION = """\
Have the daemon look at images and remember what it predicts of them, so that whoever converts them later finds the
decision in shared memory. Any quality target and any budget is answered from there."""
EPILOG = f"""\
examples:
  vecroute warm logos/
  vecroute warm 'logos/**/*.png' --jobs 4
  vecroute warm todays-images.txt
  git ls-files '*.png' | vecroute warm -

A file that does not end like an image holds a list of names, one a line; `-` reads the list from standard input.

With --json each image is one line with image, cache (miss: computed now; hit or local: known already) and lane; one
that failed has image and error (kind, message).

{EXIT_CODES}"""

STANDARD_INPUT = "-"
# Seconds. Nobody waits for one image, and a busy daemon may take its time.
TIMEOUT = 30.0
# Without the daemon none of the others can be done.
_GONE = (errors.DaemonUnavailable, errors.ShuttingDown)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `warm` takes."""
    parser.add_argument(
        "image", nargs="+", metavar="DIR|LIST", help="directory (everything below it), image, quoted pattern, or list"
    )
    add_jobs(parser, cores(), "default: one per processor core")
    add_socket(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line and image")


def run(args: argparse.Namespace) -> int:
    """Ask for every image's decision; return 1 if one could not be had."""
    results = find_images(_names(args.image))
    found = [one for one in results if isinstance(one, Found)]
    for missing in (failure_of(one.path, one.problem) for one in results if isinstance(one, Missing)):
        missing.tell(json=args.json)
    counts = Counter(failed=len(results) - len(found))
    with ends_on_sigterm(), Client(args.socket, timeout=TIMEOUT) as client:

        def ask(one: Found) -> RoutingDecision | Failure:
            return _ask(client, one)

        jobs = max(1, min(args.jobs, len(found)))
        with (
            progress("warming", len(found), quiet=args.json and sys.stdout.isatty()) as advance,
            closing(in_order(found, ask, jobs, client.close)) as answers,
        ):
            for one, answer in zip(found, answers, strict=True):
                counts[_tell(one, answer, json=args.json)] += 1
                advance()
    known = counts["hit"] + counts["local"]
    say(f"{counts['miss']} images computed, {known} known already, {counts['failed']} failed")
    return int(counts["failed"] > 0)


def _ask(client: Client, one: Found) -> RoutingDecision | Failure:
    try:
        return client.route(one.path)
    except _GONE:
        raise
    except (VecrouteError, RouterError, OSError) as exc:
        return failure_of(one.path, exc)


def _tell(one: Found, answer: RoutingDecision | Failure, *, json: bool) -> str:
    """Tell what became of an image and return it in one word."""
    if isinstance(answer, Failure):
        answer.tell(json=json)
        return "failed"
    if json:
        said = {"image": name_of(one.path), "cache": answer.cache, "lane": answer.lane}
        show(msgspec.json.encode(said).decode())
    return answer.cache


def _names(given: Iterable[str]) -> list[str]:
    """Return all names, those in lists included.

    Raises:
        UsageError: a list is no text.
    """
    names: list[str] = []
    for name in given:
        names += _listed(name) if _is_list(name) else [name]
    return names


def _is_list(name: str) -> bool:
    path = Path(name)
    return name == STANDARD_INPUT or (path.suffix.lower() not in SUFFIXES and path.is_file())


def _listed(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{name} is no list of names ({exc}); give images, directories or a text file") from exc
    return [line for line in text.splitlines() if line.strip()]
