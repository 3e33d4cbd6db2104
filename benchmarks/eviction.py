"""How well the shared cache keeps what is asked for again: hit ratios beside exact LRU, SIEVE and S3-FIFO.

`python -m benchmarks.eviction [--quick] [--json FILE]`
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks._day import Day, simulate_day
from benchmarks._policies import Lru, Policy, S3Fifo, Sets, Sieve, hit_ratio
from benchmarks._traces import loop, with_scans, zipf

CAPACITY = 4096
# Accesses between two looks of the writer at all hints: one a second, at about a thousand requests a second.
SWEEP = 1000

POLICIES: dict[str, Callable[[int], Policy]] = {
    "ours": Sets,
    "ours, hints": lambda capacity: Sets(capacity, SWEEP),
    "ours, none": lambda capacity: Sets(capacity, 0),
    "LRU": Lru,
    "SIEVE": Sieve,
    "S3-FIFO": S3Fifo,
}


def traces(capacity: int, length: int) -> dict[str, list[int]]:
    """Return the traces by name; a Zipf's images are ten times what has room."""
    images = 10 * capacity
    return {
        **{f"Zipf {skew:g}": zipf(skew, images, length) for skew in (0.8, 1.0, 1.2)},
        "Zipf 1.0 and scans": with_scans(zipf(1.0, images, length), capacity // 2, 4 * capacity),
        "loop of 1.25 x the room": loop(capacity * 5 // 4, length),
        "loop of 0.5 x the room": loop(capacity // 2, length),
        "loop of 0.9 x the room": loop(capacity * 9 // 10, length),
    }


def ratios(capacity: int, length: int) -> dict[str, dict[str, float]]:
    """Return, for each trace, each policy's hit ratio once the cache is full."""
    return {
        name: {policy: hit_ratio(make(capacity), trace, len(trace) // 5) for policy, make in POLICIES.items()}
        for name, trace in traces(capacity, length).items()
    }


def days(lengths: Sequence[int]) -> list[Day]:
    """Return what a day of so many requests is like, three swaps of the export included."""
    return [simulate_day(requests) for requests in lengths]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows with their columns aligned."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def ratio_rows(found: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    """Return the hit ratios for people, in percent, and how far ours lies above LRU."""
    rows = [
        (name, *(f"{100 * value:.2f}" for value in row.values()), f"{100 * (row['ours'] - row['LRU']):+.2f}")
        for name, row in found.items()
    ]
    return [("hit ratio, %", *POLICIES, "ours - LRU"), *rows]


def day_rows(found: Sequence[Day]) -> list[tuple[str, ...]]:
    """Return the days for people: the share of each thing that can happen to a request, in percent."""
    parts = ("hits", "first_seen", "swapped", "expired", "evicted")
    rows = [
        (f"{day.requests:,}", *(f"{100 * getattr(day, part) / day.requests:.2f}" for part in parts)) for day in found
    ]
    return [("requests in the day", *(part.replace("_", " ") + ", %" for part in parts)), *rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eviction", description=description)
    parser.add_argument("--quick", action="store_true", help="shorter traces, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    given = parser.parse_args(arguments)
    found = ratios(CAPACITY // 4, 50_000) if given.quick else ratios(CAPACITY, 500_000)
    print(table(ratio_rows(found)))
    lived = days((30_000,) if given.quick else (100_000, 300_000, 1_000_000))
    print()
    print(table(day_rows(lived)))
    if given.json is not None:
        figures = {"hit_ratios": found, "days": [day._asdict() for day in lived]}
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
