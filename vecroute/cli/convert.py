"""`vecroute convert` turns images into SVG files by the router's decisions."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from router import Constraints, Method, Plan
from router.errors import RouterError
from vecroute.cli import _arguments as arguments
from vecroute.cli._failures import Failure, failure_of
from vecroute.cli._images import Found, Missing, find_images, read_image
from vecroute.cli._outputs import name_outputs, write_whole
from vecroute.cli._routing import Asker
from vecroute.cli._terminal import kilobytes, milliseconds, name_of, progress, say, show
from vecroute.cli._work import ends_on_sigterm, in_order
from vecroute.errors import VecrouteError

if TYPE_CHECKING:
    from converter import ConversionResult

HELP = "convert images to SVG"
DESCRIPTION = """\
Ask the daemon how to convert each image, convert it, measure the quality reached, write the SVG, and report the
outcome to the daemon. Without a daemon decisions are made in this process, which is said on standard error."""
EPILOG = f"""\
examples:
  vecroute convert logo.png -o logo.svg
  vecroute convert logos/ -o svg/ --quality-target 0.95 --jobs 4
  vecroute convert 'in/*.png' -o out/ --time-budget 0.1 --svg-budget 20000 --json > report.jsonl

Directories are searched to the bottom and their tree is kept below -o. Two images that would share a name keep
their suffix: logo.png.svg and logo.jpg.svg. An SVG appears when it is whole.

With --json each image is one line with image, output, method, plan, predicted_quality, quality, predicted_seconds,
seconds, svg_bytes, path_count, steps, lane, reasoning; one that failed has image and error (kind, message).

{arguments.EXIT_CODES}"""


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """One converted image; the fields of a line of --json."""

    image: str
    output: str
    method: Method
    plan: Plan
    predicted_quality: float
    quality: float
    predicted_seconds: float
    seconds: float
    svg_bytes: int
    path_count: int
    steps: int  # plans that were tried; more than one where the method is ppo
    lane: str
    reasoning: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `convert` takes."""
    parser.add_argument("image", nargs="+", help="image file, directory (everything below it) or quoted pattern")
    parser.add_argument(
        "-o",
        "--output",
        type=_output,
        required=True,
        metavar="OUT",
        help="an .svg file for one image, else a directory",
    )
    arguments.add_wishes(parser)
    arguments.add_method(parser)
    arguments.add_jobs(parser, arguments.cores(), "default: one per processor core; 1 gives the truest seconds")
    arguments.add_socket(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line and image")


def _output(text: str) -> Path:
    if not text:  # `Path` would take it for the current directory
        raise argparse.ArgumentTypeError("the name is empty; give an .svg file or a directory")
    return Path(text)


def run(args: argparse.Namespace) -> int:
    """Convert all images; return 1 if one of them failed."""
    wanted = arguments.constraints(args)
    results = find_images(args.image)
    found = [one for one in results if isinstance(one, Found)]
    outputs = name_outputs(found, args.output)
    missing = [failure_of(one.path, one.problem) for one in results if isinstance(one, Missing)]
    for failure in missing:
        failure.tell(json=args.json)
    failed, done = len(missing), 0
    jobs = max(1, min(args.jobs, len(found)))
    with ends_on_sigterm(), Asker(args.socket) as asker:
        worker = _Worker(asker, wanted, jobs)
        try:
            with (
                progress("converting", len(found), quiet=args.json and _same_terminal()) as advance,
                closing(in_order(found, worker.convert, jobs, worker.close)) as answers,
            ):
                for one, output, answer in zip(found, outputs, answers, strict=True):
                    kept = _keep(one, output, answer, json=args.json)
                    failed, done = failed + (not kept), done + kept
                    advance()
        finally:
            worker.close()
    if len(results) > 1:
        say(f"{done} of {done + failed} images converted" + (f", {failed} failed" if failed else ""))
    return int(failed > 0)


class _Worker:
    """Converts images, several at a time; the result is kept by the main thread alone."""

    def __init__(self, asker: Asker, wanted: Constraints, jobs: int) -> None:
        from converter import Converter, FourTierConverter

        self._asker, self._wanted = asker, wanted
        self._converter = FourTierConverter(asker, converter=Converter(workers=jobs))

    def convert(self, one: Found) -> "ConversionResult | Failure":
        """Return an image's SVG, or what went wrong; the daemon is told how it went."""
        from converter.errors import ConverterError

        wanted = self._wanted
        try:
            data = read_image(one.path)
            result = self._converter.convert(
                data,
                quality_target=wanted.quality_target,
                time_budget=wanted.time_budget,
                svg_budget=wanted.svg_budget,
                policy=wanted.policy,
                method=wanted.method,
            )
        except (VecrouteError, RouterError, ConverterError) as exc:
            return failure_of(one.path, exc)
        try:
            decision = result.prediction_metadata
            self._asker.report(
                data, decision, quality=result.quality, seconds=result.seconds, svg_bytes=result.svg_bytes
            )
        except VecrouteError as exc:
            say(f"{name_of(one.path)}: converted, but the daemon did not take the outcome: {exc}")
        return result

    def close(self) -> None:
        self._converter.close()


def _keep(one: Found, output: Path, answer: "ConversionResult | Failure", *, json: bool) -> bool:
    """Write an SVG and tell about it; return whether there is one."""
    if not isinstance(answer, Failure):
        try:
            write_whole(output, answer.svg)
        except VecrouteError as exc:
            answer = failure_of(one.path, exc)
    if isinstance(answer, Failure):
        answer.tell(json=json)
        return False
    for fallback in answer.fallbacks:
        say(f"{name_of(one.path)}: fell back from {fallback}")
    line = _line(one, output, answer)
    show(msgspec.json.encode(line).decode() if json else _text(line))
    return True


def _line(one: Found, output: Path, result: "ConversionResult") -> Converted:
    decision = result.prediction_metadata
    return Converted(
        image=name_of(one.path),
        output=name_of(output),
        method=result.method,
        plan=result.plan,
        predicted_quality=decision.estimated_quality,
        quality=result.quality,
        predicted_seconds=decision.estimated_seconds,
        seconds=result.seconds,
        svg_bytes=result.svg_bytes,
        path_count=result.path_count,
        steps=max(1, len(result.steps)),
        lane=decision.lane,
        reasoning=decision.reasoning,
    )


def _text(line: Converted) -> str:
    predicted = "no prediction" if line.lane == "base" else f"predicted {line.predicted_quality:.3f}"
    after = f" after {line.steps} plans" if line.steps > 1 else ""
    return (
        f"{line.image} -> {line.output}: {line.method} at {line.plan.upscale}x{after}, "
        f"quality {line.quality:.3f} ({predicted}), "
        f"{milliseconds(line.seconds)}, {kilobytes(line.svg_bytes)}, {line.path_count} paths"
    )


def _same_terminal() -> bool:
    """Tell whether results and the bar would share a terminal; JSON lines must not be broken by it."""
    return sys.stdout.isatty()
