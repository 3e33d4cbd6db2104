"""`vecroute status` shows what the daemon does."""

import argparse
from datetime import timedelta

import msgspec

from vecroute._client import Client
from vecroute._wire import OutcomeStatus, Status, TruthStatus
from vecroute.cli._arguments import add_socket
from vecroute.cli._terminal import milliseconds, show, speed_text

HELP = "show what the daemon does"
DESCRIPTION = """\
Show the running daemon's state: its export and lane, cache, requests and reported outcomes; how fast conversions are
here beside their predictions, how true predicted qualities are, and whether they have drifted off."""
EPILOG = """\
examples:
  vecroute status
  vecroute status --json | jq .cache

exit codes:
  0  a daemon answers and is ready     1  none answers, or it is not ready     2  the command line makes no sense"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `status` takes."""
    add_socket(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, fields as on the wire")


def run(args: argparse.Namespace) -> int:
    """Show the status; return 0 if the daemon is ready."""
    with Client(args.socket) as client:
        status = client.status()
    if args.json:
        show(msgspec.json.format(msgspec.json.encode(status), indent=2).decode())
    else:
        facts = _facts(status)
        wide = max(map(len, facts))
        for name, value in facts.items():
            show(f"{name:<{wide}}  {value}")
    return 0 if status.ready else 1


def _facts(status: Status) -> dict[str, str]:
    """Return the status as lines for people: what, and how it is."""
    export, cache = status.export, status.cache
    facts = {
        "ready": ("yes" if status.ready else "no") + (", draining" if status.draining else ""),
        "lane": status.lane,
        "export": "none, the built-in rules serve"
        if export is None
        else f"{export.name} {export.version} ({export.digest[:12]}, {'' if export.verified else 'un'}verified)",
        "models": status.models_directory,
        "cache": f"{cache.entries} of {cache.capacity} entries, {cache.hits} hits, {cache.misses} misses",
        "requests": f"{status.requests}, {status.errors} refused, {status.fallbacks} by base routing",
        "outcomes": _outcomes(status.outcomes),
        "speed": speed_text(status.speed or {}),
        "truth": _truth(status.truth or TruthStatus()),
        "connections": f"{status.connections}, {status.inflight} requests under way",
        "up": f"{timedelta(seconds=round(status.uptime_seconds))}, version {status.version}, process {status.pid}",
    }
    if status.truth is not None and status.truth.drift is not None:
        facts["drift"] = f"ALARM: {status.truth.drift}; see docs/daemon.md"
    return facts | ({"problem": status.export_problem} if status.export_problem else {})


def _outcomes(outcomes: OutcomeStatus) -> str:
    if outcomes.mean_quality is None or outcomes.mean_seconds is None:
        return "none reported"
    error = outcomes.mean_absolute_error
    off = "" if error is None else f", predictions off by {error:.4f}"
    return (
        f"{outcomes.count} reported: quality {outcomes.mean_quality:.3f}"
        f" in {milliseconds(outcomes.mean_seconds)} on average{off}"
    )


def _truth(truth: TruthStatus) -> str:
    if truth.mean_absolute_error is None or truth.bias is None:
        return "no prediction reported on"
    together = "" if truth.correlation is None else f", correlation {truth.correlation:.2f}"
    allowed = "" if truth.error_limit is None else f" of {truth.error_limit:.4f} allowed"
    return (
        f"last {truth.count} predictions of quality off by {truth.mean_absolute_error:.4f}{allowed}"
        f" (bias {truth.bias:+.4f}){together}"
    )
