"""`vecroute cache` looks into the shared cache: how it does, what it holds, whether it is whole; and empties it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from vecroute._boot import boot_time
from vecroute._client import Client
from vecroute._paths import cache_path, default_socket
from vecroute._segment import Segment, open_segment
from vecroute.cli._arguments import add_socket
from vecroute.cli._cache_report import facts_of, report_of
from vecroute.cli._cache_walk import Slot, take_census, walk
from vecroute.cli._terminal import progress, say, show

HELP = "look into the shared cache, or empty it"
DESCRIPTION = """\
Look into the file in shared memory from which converters read decisions without asking the daemon.

  stats    who answered (readers themselves, the daemon), how old entries are, how the file is
  dump     one line for each entry that is valid now
  verify   look at every slot; damaged ones are named
  flush    have the daemon make all entries invalid"""
EPILOG = """\
examples:
  vecroute cache stats
  vecroute cache stats --json | jq .hit_rate
  vecroute cache dump --json | jq -r 'select(.kind == "prediction").key'
  vecroute cache verify && echo sound
  vecroute cache flush

A key is the image's hash (vecroute.image_hash); that of a single plan (kind `plan`) also covers method and plan.
All but flush read the file itself and work without a daemon, too. JSON fields are in snake_case.

exit codes:
  0  all is well     1  no cache, or verify found damage, or stats found that no daemon keeps it
  2  the command line makes no sense"""

# A walk over fewer slots is over before a bar could be read.
_LONG_WALK: Final = 200_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cache` takes."""
    parser.add_argument("action", choices=list(_ACTIONS), help="what to do")
    add_socket(parser)
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object, for dump one a line")


def run(args: argparse.Namespace) -> int:
    """Do it and return the exit code."""
    return _ACTIONS[args.action](args)


def _stats(args: argparse.Namespace) -> int:
    path, segment = _opened(args)
    with progress("looking at slots", _bar(segment)) as advance:
        census = take_census(segment, boot_time(), advance)
    report = report_of(path, segment, census)
    if args.json:
        show(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _show_facts(facts_of(report))
    return 0 if report.state == "alive" and not report.damaged else 1


def _dump(args: argparse.Namespace) -> int:
    _, segment = _opened(args)
    for slot in walk(segment, boot_time()):
        if slot.state == "live":
            show(_json_line(slot) if args.json else _line(slot))
    return 0


def _verify(args: argparse.Namespace) -> int:
    _, segment = _opened(args)
    with progress("looking at slots", _bar(segment)) as advance:
        census = take_census(segment, boot_time(), advance)
    if args.json:
        show(msgspec.json.encode(census).decode())
    for damage in census.damaged:
        say(str(damage))
    if not args.json:
        verdict = f"{len(census.damaged)} damaged" if census.damaged else "none damaged"
        show(
            f"{census.slots:,} slots: {census.live:,} live, {census.expired:,} expired, "
            f"{census.other:,} of other exports, {verdict}"
        )
    return int(bool(census.damaged))


def _flush(args: argparse.Namespace) -> int:
    with Client(args.socket, shared_cache=False) as client:
        flushed = client.flush_cache()
    show(msgspec.json.encode({"flushed": flushed}).decode() if args.json else f"{flushed:,} entries made invalid")
    return 0


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "stats": _stats,
    "dump": _dump,
    "verify": _verify,
    "flush": _flush,
}


def _opened(args: argparse.Namespace) -> tuple[Path, Segment]:
    path = cache_path(default_socket() if args.socket is None else args.socket)
    return path, open_segment(path)


def _bar(segment: Segment) -> int:
    return segment.geometry.entries if segment.geometry.entries >= _LONG_WALK else 0


def _show_facts(facts: dict[str, str]) -> None:
    wide = max(map(len, facts))
    for name, value in facts.items():
        show(f"{name:<{wide}}  {value}")


def _line(slot: Slot) -> str:
    """Return an entry for people."""
    assert slot.prediction is not None
    candidates = slot.prediction.candidates
    best = max(candidates, key=lambda one: one.quality)
    return (
        f"{slot.key.hex()}  {slot.kind}, lane {slot.prediction.lane}, {len(candidates)} candidate"
        f"{'s' if len(candidates) > 1 else ''}, best {best.method} at {best.plan.upscale}x with {best.quality:.3f}, "
        f"{slot.seconds_left / 60:.0f} min left"
    )


def _json_line(slot: Slot) -> str:
    assert slot.prediction is not None
    said = {
        "key": slot.key.hex(),
        "kind": slot.kind,
        "seconds_left": round(slot.seconds_left, 3),
        "lane": slot.prediction.lane,
        "prediction_seconds": slot.prediction.prediction_seconds,
        "candidates": slot.prediction.candidates,
        "base": dict(slot.prediction.base),
    }
    return msgspec.json.encode(said).decode()
