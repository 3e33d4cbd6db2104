"""How fast the daemon routes: cold beside the same work in process, warm beside a bare echo, both in one run.

The processors are kept awake meanwhile, see `benchmarks._load.awake`.

`python -m benchmarks.route [--models DIR] [--json FILE] [--quick]`
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks._load import Asker, awake, percentile, requests_per_second
from benchmarks._servers import Server, daemon, echo
from models import DEFAULT_MODELS, load_newest
from router.pixels import sample
from vecroute import image_hash
from vecroute._interface import INTERFACE
from vecroute._varlink import encode_call

ROUTE = f"{INTERFACE}.Route"
SIDE = 512
CLIENTS = (1, 8, 64)

Figures = dict[str, float]


def picture(seed: int) -> bytes:
    """Return a PNG of 512 x 512 pixels like a logo: flat shapes, smooth edges, letters, transparent ground."""
    rng = np.random.default_rng(seed)
    image = np.zeros((SIDE, SIDE, 4), np.uint8)
    for _ in range(12):
        colour = (*(int(c) for c in rng.integers(0, 256, 3)), 255)
        centre = tuple(int(c) for c in rng.integers(60, SIDE - 60, 2))
        cv2.circle(image, centre, int(rng.integers(20, 120)), colour, -1, cv2.LINE_AA)
    cv2.putText(image, f"Logo {seed}", (40, 300), cv2.FONT_HERSHEY_DUPLEX, 3.0, (20, 20, 20, 255), 8, cv2.LINE_AA)
    return bytes(cv2.imencode(".png", image)[1].tobytes())


def cold(server: Server, models: Path, count: int) -> Figures:
    """Measure images the daemon has never seen, in turn with decode, features and one model run alone in process."""
    export = load_newest(models).export
    pictures = [picture(seed) for seed in range(count)]
    for data in pictures[:3]:
        export.predict(sample(data))
    routed, alone = [], []
    for data in pictures:
        asker = Asker(server.path, encode_call(ROUTE, {"fileDescriptor": 0}), data)
        routed.append(asker.round_trip())
        asker.close()
        began = time.perf_counter()
        export.predict(sample(data))
        alone.append(time.perf_counter() - began)
    return _beside("cold", routed, alone)


def warm(server: Server, bare: Server, count: int) -> Figures:
    """Measure one known image, by hash and by descriptor, in turn with an echo of a message as long."""
    data = picture(0)
    by_hash = encode_call(ROUTE, {"hash": image_hash(data).hex()})
    askers = {
        "warm": Asker(server.path, by_hash),
        "warm_fd": Asker(server.path, encode_call(ROUTE, {"fileDescriptor": 0}), data),
        "echo": Asker(bare.path, by_hash),
    }
    askers["warm_fd"].round_trip()
    seconds: dict[str, list[float]] = {name: [] for name in askers}
    for _ in range(count // 100):
        for name, asker in askers.items():
            seconds[name] += [asker.round_trip() for _ in range(100)]
    for asker in askers.values():
        asker.close()
    figures = _beside("warm", seconds["warm"], seconds["echo"])
    return figures | _beside("warm_fd", seconds["warm_fd"], seconds["echo"])


def throughput(server: Server, bare: Server, seconds: float) -> Figures:
    """Measure requests per second of the warm Route and of the echo, by number of clients."""
    message = encode_call(ROUTE, {"hash": image_hash(picture(0)).hex()})
    figures: Figures = {}
    for clients in CLIENTS:
        routed = requests_per_second(server.path, message, clients, seconds)
        echoed = requests_per_second(bare.path, message, clients, seconds)
        figures |= {
            f"route_per_second_{clients}": routed,
            f"echo_per_second_{clients}": echoed,
            f"per_second_ratio_{clients}": echoed / routed,
        }
    return figures


def starts(directory: Path, models: Path, count: int) -> Figures:
    """Measure the time from the start of the process to READY, and its memory then."""
    seconds, sizes = [], []
    for _ in range(count):
        with daemon(directory, models) as server:
            seconds.append(server.seconds_to_ready)
            sizes.append(server.resident_bytes())
    return {"ready_s": percentile(seconds, 0.5), "ready_rss_mb": percentile(sizes, 0.5) / 1e6}


def _beside(name: str, ours: Sequence[float], theirs: Sequence[float]) -> Figures:
    figures: Figures = {}
    for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        one, other = percentile(ours, share), percentile(theirs, share)
        figures |= {f"{name}_{label}_ms": one * 1e3, f"{name}_beside_{label}_ms": other * 1e3}
        figures[f"{name}_ratio_{label}"] = one / other
    return figures


def measure(models: Path, *, quick: bool) -> Figures:
    """Return all figures."""
    scale = 5 if quick else 1
    with tempfile.TemporaryDirectory() as name, awake():
        directory = Path(name)
        figures = starts(directory, models, 3 if quick else 5)
        with daemon(directory, models) as server, echo(directory) as bare:
            figures |= cold(server, models, 200 // scale)
            figures |= warm(server, bare, 10_000 // scale)
            figures |= throughput(server, bare, 3.0 / scale)
            figures["rss_after_mb"] = server.resident_bytes() / 1e6
    return figures


def table(figures: Figures) -> str:
    """Return the figures for people, each goal beside what was measured."""
    f = {name: f"{value:.3g}" if value < 1000 else f"{value:,.0f}" for name, value in figures.items()}
    rows = [
        ("", "Route", "beside", "ratio", "goal"),
        *(
            (f"{title} {p}, ms", f[f"{key}_{p}_ms"], f[f"{key}_beside_{p}_ms"], f[f"{key}_ratio_{p}"], goal)
            for key, title, goals in (
                ("cold", "cold 512x512 PNG", {"p50": "", "p95": "< 15 ms, <= 1.5 x"}),
                ("warm", "warm by hash", {"p50": "<= 3 x", "p99": ""}),
                ("warm_fd", "warm by descriptor", {"p50": "<= 3 x", "p99": ""}),
            )
            for p, goal in goals.items()
        ),
        *(
            (
                f"requests/s, {clients} clients",
                f[f"route_per_second_{clients}"],
                f[f"echo_per_second_{clients}"],
                f[f"per_second_ratio_{clients}"],
                "",
            )
            for clients in CLIENTS
        ),
        ("start to READY, s", f["ready_s"], "", "", "<= 1 s"),
        ("memory at READY, MB", f["ready_rss_mb"], "", "", ""),
        ("memory after the load, MB", f["rss_after_mb"], "", "", "<= 200 MB"),
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.route", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=Path, default=DEFAULT_MODELS, help="directory of exports")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work, for a first look")
    given = parser.parse_args(arguments)
    figures = measure(given.models, quick=given.quick)
    print(table(figures))
    print("beside: cold, the same work in process without a daemon; warm, a bare anyio + uvloop echo")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
