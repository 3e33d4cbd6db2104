"""`python -m vecroute.cli.demo`: convert the example images through a daemon and show what came out, as a page."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converter import Conversion, ConversionResult, Converter, FourTierConverter, render
from converter.errors import ConverterError
from router import VTRACER_DEFAULTS, Constraints
from router.errors import RouterError
from router.pixels import backdrop, decode, is_opaque
from vecroute.cli import EXIT_BROKEN_PIPE, EXIT_STOPPED
from vecroute.cli._arguments import EXIT_CODES
from vecroute.cli._demo_daemon import private_daemon
from vecroute.cli._demo_page import Drawing, Exhibit, Request, page
from vecroute.cli._demo_pictures import as_picture, cut_out, difference, draw_region, ink, png, worst_region
from vecroute.cli._images import Found, Missing, find_images, read_image
from vecroute.cli._outputs import write_whole
from vecroute.cli._routing import Asker
from vecroute.cli._tables import present, table
from vecroute.cli._terminal import kilobytes, leave_standard_output, milliseconds, name_of, progress, say
from vecroute.cli._work import ends_on_sigterm
from vecroute.errors import VecrouteError

QUALITY_TARGET = 0.98
TIME_BUDGET = 0.3  # seconds
WIDE = 2  # the wordmarks' crops are this many times as wide as high
EXAMPLES = Path(__file__).parents[2] / "examples"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; return 0, or 1 if an image failed or the daemon did not start."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        Constraints(quality_target=args.quality_target, time_budget=args.time_budget)
    except RouterError as exc:
        parser.error(str(exc))
    request = Request(quality_target=args.quality_target, time_budget=args.time_budget)
    try:
        with ends_on_sigterm():
            return _run(args.image, args.out, args.models, request)
    except (VecrouteError, RouterError) as exc:
        say(str(exc))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return EXIT_STOPPED
    except BrokenPipeError:
        leave_standard_output()  # the page is written, only the table had no reader
        return EXIT_BROKEN_PIPE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vecroute.cli.demo",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", nargs="*", default=[str(EXAMPLES)], help="images or directories (default: examples/)")
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="default: demo/")
    parser.add_argument("--models", type=Path, metavar="DIR", help="directory of exports (default: the packaged one)")
    parser.add_argument(
        "--quality-target", type=float, default=QUALITY_TARGET, metavar="Q", help="default: %(default)s"
    )
    parser.add_argument("--time-budget", type=float, default=TIME_BUDGET, metavar="S", help="default: %(default)s")
    return parser


def _run(images: Sequence[str], out: Path, models: Path | None, request: Request) -> int:
    started = time.monotonic()
    found = find_images(images)
    exhibits, failed = [], 0
    with private_daemon(models) as socket, Asker(socket) as asker, Converter(workers=1) as worker:
        worker.convert(png(np.full((64, 64, 4), 255, np.uint8)), VTRACER_DEFAULTS)  # pays for what loads at first use
        with progress("converting", len(found)) as advance:
            for one in found:
                try:
                    exhibits.append(_exhibit(one, asker, worker, request))
                except (VecrouteError, RouterError, ConverterError) as exc:
                    failed += 1
                    say(f"{name_of(one.path)}: {exc}")
                advance()
    if not exhibits:
        say("no image was converted; there is nothing to show")
        return 1
    exhibits.sort(key=lambda one: one.defaults.quality - one.ours.quality)
    for shown in exhibits:
        write_whole(out / f"{shown.name}.svg", shown.ours.svg)
    write_whole(out / "index.html", page(exhibits, request))
    _show(exhibits)
    say(
        f"{len(exhibits)} images in {time.monotonic() - started:.0f} s; open {name_of(out / 'index.html')} in a browser"
    )
    return int(failed > 0)


def _exhibit(one: Found | Missing, asker: Asker, worker: Converter, request: Request) -> Exhibit:
    """Convert one image as the daemon says, and with plain defaults, and draw what differs."""
    if isinstance(one, Missing):
        raise one.problem
    data = read_image(one.path)
    result = FourTierConverter(asker, converter=worker).convert(
        data, quality_target=request.quality_target, time_budget=request.time_budget
    )
    decision = result.prediction_metadata
    asker.report(data, decision, quality=result.quality, seconds=result.seconds, svg_bytes=result.svg_bytes)
    plain = worker.convert(data, VTRACER_DEFAULTS)
    pixels = decode(data)
    spoilt = difference(render(plain.svg), pixels)
    box, wide_box = worst_region(spoilt), worst_region(spoilt, aspect=WIDE)

    def drawing(done: Conversion | ConversionResult) -> Drawing:
        drawn = render(done.svg)
        return Drawing(
            svg=done.svg,
            quality=done.quality or 0.0,
            seconds=done.seconds,
            svg_bytes=done.svg_bytes,
            path_count=done.path_count,
            ink=ink(drawn) / max(ink(pixels), 1.0),
            crop=png(draw_region(done.svg, box)),
            wide_crop=png(draw_region(done.svg, wide_box)),
            difference=png(as_picture(difference(drawn, pixels))),
        )

    return Exhibit(
        name=one.path.name,
        image=png(pixels),
        width=pixels.shape[1],
        height=pixels.shape[0],
        ground=backdrop(pixels),
        transparent=not is_opaque(pixels),
        box=box,
        crop=png(cut_out(pixels, box)),
        wide_crop=png(cut_out(pixels, wide_box)),
        defaults=drawing(plain),
        ours=drawing(result),
        decision=decision,
    )


def _show(exhibits: Sequence[Exhibit]) -> None:
    columns = ("image", "method", "plan", "predicted", "quality", "defaults", "time", "size", "defaults'")
    rows = [
        (
            one.name,
            one.decision.primary_method,
            f"{one.decision.plan.upscale}x {one.decision.plan.mode}",
            "-" if one.decision.lane == "base" else f"{one.decision.estimated_quality:.3f}",
            f"{one.ours.quality:.3f}",
            f"{one.defaults.quality:.3f}",
            milliseconds(one.ours.seconds),
            kilobytes(one.ours.svg_bytes),
            kilobytes(one.defaults.svg_bytes),
        )
        for one in exhibits
    ]
    present([table("vecroute beside plain VTracer defaults", columns, rows)])


if __name__ == "__main__":
    sys.exit(main())
