"""`vecroute serve` runs the daemon in the foreground."""

import argparse

from vecroute.cli._arguments import add_socket

HELP = "run the daemon"
DESCRIPTION = """\
Run the daemon that answers routing requests on a Unix socket, in the foreground, until SIGTERM or Ctrl-C.
SIGHUP makes it look for exports again. Without an export it serves base routing."""
EPILOG = """\
Every other setting (docs/settings.md) is a flag too, and may stand in the file or in the environment:
  vecroute serve --log-format json --cache-entries 100000

examples:
  vecroute serve
  vecroute serve --socket /tmp/router --models ./models/exported
  VECROUTE_POLICY=weighted vecroute serve --config /etc/vecroute.toml

exit codes:
  0  stopped as asked     1  could not serve     2  a setting makes no sense
  3  another daemon serves on this socket        4  requests were left unfinished at the end"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `serve` takes; the daemon knows the other settings."""
    add_socket(parser)
    parser.add_argument("--models", metavar="DIR", help="directory of exports (default: the packaged one)")
    parser.add_argument("--config", metavar="FILE", help="settings in TOML")


def run(args: argparse.Namespace) -> int:
    """Serve and return the daemon's exit code."""
    from daemon.__main__ import main

    given = {"socket": args.socket, "models": args.models, "config": args.config}
    flags = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return main([*flags, *args.rest])
