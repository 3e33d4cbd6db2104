"""`vecroute`: the command line; each command is a module, and what it needs is loaded when it runs."""

import argparse
import sys
from collections.abc import Sequence

from router.errors import RouterError
from vecroute._version import __version__
from vecroute.cli import cache, convert, evaluate, route, serve, status, warm
from vecroute.cli._arguments import EXIT_CODES
from vecroute.cli._terminal import leave_standard_output, open_missing_streams, say
from vecroute.cli.errors import UsageError
from vecroute.errors import VecrouteError

__all__ = ["main"]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STOPPED = 130
EXIT_BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE ended

_COMMANDS = (serve, route, convert, evaluate, status, warm, cache)
# Top modules that an extra of the distribution brings.
_EXTRAS = {"serve": "daemon"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    open_missing_streams()
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    if rest and args.command != "serve":
        parser.error(f"unrecognised arguments: {' '.join(rest)}; `vecroute {args.command} --help` lists the known ones")
    args.rest = rest
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except UsageError as exc:
        say(f"{exc} (see `vecroute {args.command} --help`)")
        return EXIT_USAGE
    except (VecrouteError, RouterError) as exc:
        say(str(exc))
        return EXIT_FAILED
    except ModuleNotFoundError as exc:
        say(f"{exc.name} is not installed; run: pip install 'vecroute[{_EXTRAS.get(args.command, 'convert')}]'")
        return EXIT_FAILED
    except KeyboardInterrupt:
        say("stopped")
        return EXIT_STOPPED
    except BrokenPipeError:
        leave_standard_output()  # whoever read us has seen enough
        return EXIT_BROKEN_PIPE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vecroute",
        description="Choose, for each raster logo, the way of turning it into SVG that reaches the wanted quality in "
        "the time allowed; and convert it.",
        epilog="`vecroute COMMAND --help` explains a command with examples.\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vecroute {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
