"""`vecroute route` shows how images would be converted."""

import argparse

import msgspec

from router import RoutingDecision
from router.errors import RouterError
from vecroute.cli._arguments import EXIT_CODES, add_method, add_socket, add_wishes, constraints
from vecroute.cli._failures import Failure, failure_of
from vecroute.cli._images import Found, Missing, find_images
from vecroute.cli._routing import Asker
from vecroute.cli._terminal import name_of, show
from vecroute.errors import VecrouteError

HELP = "show how images would be converted"
DESCRIPTION = """\
Ask the daemon which method and plan suit each image, and show its decision; nothing is converted.
Without a daemon the decision is made in this process, which is said on standard error."""
EPILOG = f"""\
examples:
  vecroute route logo.png
  vecroute route logos/ --quality-target 0.95 --time-budget 0.1
  vecroute route 'logos/**/*.png' --json | jq -r '[.image, .primary_method] | @tsv'

With --json each image is one line: its name (image), then the fields of the decision, in snake_case. An image that
cannot be routed has an `error` with `kind` and `message` instead.

{EXIT_CODES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `route` takes."""
    parser.add_argument("image", nargs="+", help="image file, directory (everything below it) or quoted pattern")
    add_wishes(parser)
    add_method(parser)
    add_socket(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line and image")


def run(args: argparse.Namespace) -> int:
    """Show a decision for each image; return 1 if one could not be routed."""
    wanted = msgspec.structs.asdict(constraints(args))
    failed = False
    with Asker(args.socket) as asker:
        for one in find_images(args.image):
            answer = _ask(asker, one, wanted)
            if isinstance(answer, Failure):
                failed = True
                answer.tell(json=args.json)
            elif args.json:
                show(_json(one, answer))
            else:
                show(f"{name_of(one.path)}: {answer.reasoning}")
    return int(failed)


def _ask(asker: Asker, one: Found | Missing, wanted: dict[str, object]) -> RoutingDecision | Failure:
    if isinstance(one, Missing):
        return failure_of(one.path, one.problem)
    try:
        return asker.route(one.path, **wanted)  # type: ignore[arg-type] # the fields of Constraints are its parameters
    except (VecrouteError, RouterError, OSError) as exc:
        return failure_of(one.path, exc)


def _json(one: Found | Missing, decision: RoutingDecision) -> str:
    fields = msgspec.structs.asdict(decision)
    if decision.export is not None:
        fields["export"] = msgspec.structs.asdict(decision.export)
    return msgspec.json.encode({"image": name_of(one.path), **fields}).decode()
