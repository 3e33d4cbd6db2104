"""What a look into the shared cache costs: beside LMDB, Redis and memcached with the same entries, all in one run.

`python -m benchmarks.shared_cache [--json FILE] [--quick]`
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks._filled import EXPORT, OTHER, Filled, filled, keys, memory_per_entry, scratch
from benchmarks._load import percentile
from benchmarks._peers import Get, peers
from benchmarks._readers import read_at_once, read_in_c
from router import Constraints
from vecroute import Client
from vecroute._context import SharedContext
from vecroute._entry import pack_entry, unpack_entry
from vecroute._layout import KIND_PREDICTION

Figures = dict[str, float]
Work = Callable[[bytes], object]

SERVERS = ("Redis", "memcached")
MAIN = 10_000  # the daemon's default
READERS = (1, 2, 4, 8)
WANTED = Constraints(quality_target=0.95, time_budget=0.1)


def in_turns(
    works: Mapping[str, Work],
    names: Sequence[bytes],
    rounds: int,
    beat: Callable[[], None],
    clock: Callable[[], float] = time.thread_time,
) -> Figures:
    """Return the median seconds of each work on one key.

    The works take turns in an order drawn anew for each round, so that neither a busy moment nor the place behind a
    work that waits is one work's alone. Processor time by default; what waits for others needs a wall clock. `beat` is
    called before each work: a cache that nobody keeps answers nothing, and a miss costs less than a hit.
    """
    drawn, order = random.Random(1), list(works)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        drawn.shuffle(order)
        for name in order:
            work = works[name]
            beat()
            assert work(names[0]) is not None, f"{name} finds nothing, so there is nothing to measure"
            began = clock()
            for key in names:
                work(key)
            seconds[name].append((clock() - began) / len(names))
    return {name: percentile(values, 0.5) for name, values in seconds.items()}


def beside_peers(cache: Filled, directory: Path, rounds: int) -> tuple[Figures, list[str]]:
    """Measure lookups with and without decoding, here and in each peer: first what needs no server, then the others."""
    names = cache.keys[:1000]
    entries = {
        key: pack_entry(cache.predictions[number % len(cache.predictions)], key, fingerprint=1, sequence=2, expiry=0)
        for number, key in enumerate(names)
    }

    def decoding(get: Get) -> Work:
        return lambda key: unpack_entry(get(key) or b"", EXPORT, "")

    def works_of(gets: Mapping[str, Get]) -> dict[str, Work]:
        get, find = cache.reader.get, cache.reader._find  # noqa: SLF001 - what comes before decoding has no other name
        works: dict[str, Work] = {"get_ours": get, "look_ours": lambda key: find(key, KIND_PREDICTION)}
        works |= {f"get_{name}": decoding(get) for name, get in gets.items()}
        return works | {f"look_{name}": get for name, get in gets.items()}

    with peers(directory, entries) as (gets, absent):
        here = {name: get for name, get in gets.items() if name not in SERVERS}
        there = {name: get for name, get in gets.items() if name in SERVERS}
        alone: dict[str, Work] = {"decode": decoding(entries.get)}
        figures = in_turns(works_of(here) | alone, names, 4 * rounds, cache.beat)
        served = in_turns(works_of(there), names, rounds, cache.beat, time.perf_counter)
    waits = {f"{name}_beside_servers" if name.endswith("_ours") else name: value for name, value in served.items()}
    return figures | waits, absent


def deciding(cache: Filled, rounds: int) -> Figures:
    """Measure a whole decision, from the cache itself and through a client."""
    reader = cache.reader
    socket = cache.path.with_suffix("")  # nobody listens there
    with Client(socket) as client:
        works: dict[str, Work] = {
            "decide": lambda key: reader.decide(key, WANTED),
            "client": lambda key: client.route(hash=key, quality_target=0.95, time_budget=0.1),
        }
        return in_turns(works, cache.keys[:1000], rounds, cache.beat)


def by_size(caches: Mapping[int, Filled], rounds: int) -> Figures:
    """Measure get on keys from all over the cache, and publish of new ones, for each size."""
    figures: Figures = {}
    gets: dict[str, list[float]] = {}
    for _ in range(rounds):
        for size, cache in caches.items():
            works: dict[str, Work] = {"get": cache.reader.get}
            gets.setdefault(f"get_{size}", []).append(in_turns(works, cache.keys[:20_000], 1, cache.beat)["get"])
    figures |= {name: percentile(values, 0.5) for name, values in gets.items()}
    puts: dict[str, list[float]] = {}
    for number in range(rounds):
        for size, cache in caches.items():
            writer, said = cache.writer, cache.predictions[0]
            works = {"publish": lambda key, writer=writer, said=said: writer.publish(key, said)}  # type: ignore[misc]
            seconds = in_turns(works, keys(-1 - number - size, 1000), 1, cache.beat)["publish"]
            puts.setdefault(f"publish_{size}", []).append(seconds)
    return figures | {name: percentile(values, 0.5) for name, values in puts.items()}


def swapping(cache: Filled, rounds: int) -> Figures:
    """Measure making all entries invalid: the whole of a swap, its context block included."""
    contexts = (SharedContext(export=OTHER), SharedContext(export=EXPORT))
    seconds = []
    key = cache.keys[0]
    cache.writer.publish(key, cache.predictions[0])
    for number in range(2 * rounds):
        began = time.perf_counter()
        cache.writer.use(contexts[number % 2], "onnx")
        seconds.append(time.perf_counter() - began)
        cache.beat()
        assert (cache.reader.get(key) is None) == (number % 2 == 0), "a swap must be seen at once, and so its undoing"
    return {"swap": percentile(seconds, 0.5)}


def others(cache: Filled, directory: Path, seconds: float, rounds: int) -> Figures:
    """Measure readers in processes of their own, and the C reader."""
    names = directory / "keys"
    names.write_bytes(b"".join(cache.keys[:1000]))
    figures: Figures = {}
    for readers in READERS:
        read = read_at_once(cache.path, names, readers, seconds, cache.beat)
        figures |= {f"get_{readers}_readers": read.seconds, f"per_second_{readers}_readers": read.per_second}
    cache.beat()
    in_c = read_in_c(directory, cache.path, names, rounds)
    return figures if in_c is None else figures | {"get_c": in_c}


def measure(*, quick: bool) -> tuple[Figures, list[str]]:
    """Return all figures, seconds if nothing else is said, and what had to be left out."""
    sizes = (1000, MAIN, 100_000) if quick else (1000, MAIN, 100_000, 1_000_000)
    rounds = 15 if quick else 60
    with scratch() as directory, filled(directory, sizes) as caches:
        cache = caches[MAIN]
        figures, absent = beside_peers(cache, directory, rounds)
        figures |= deciding(cache, rounds)
        figures |= others(cache, directory, 0.5 if quick else 3.0, 10 * rounds)
        figures |= by_size(caches, max(rounds // 3, 5))
        figures |= swapping(caches[sizes[-1]], rounds)
        figures["bytes_per_entry"] = memory_per_entry(cache)
    if "get_c" not in figures:
        absent.append("the C reader is left out: no cc on the PATH")
    return figures | _ratios(figures, sizes), absent


def _ratios(f: Figures, sizes: Sequence[int]) -> Figures:
    beside = {
        f"ratio_{what}_{name}": f[f"{what}_ours" + "_beside_servers" * (name in SERVERS)] / f[f"{what}_{name}"]
        for what in ("get", "look")
        for name in ("LMDB", *SERVERS)
        if f"get_{name}" in f
    }
    gets, puts = [f[f"get_{size}"] for size in sizes], [f[f"publish_{size}"] for size in sizes]
    together = [f[f"get_{readers}_readers"] for readers in READERS]
    return beside | {
        "spread_get": max(gets) / min(gets),
        "spread_publish": max(puts) / min(puts),
        "spread_readers": max(together) / min(together),
    }


GOALS = {
    "get_ours": ("get + decode", "us", ""),
    "get_LMDB": ("  LMDB, a transaction each", "us", ""),
    "get_LMDB, one snapshot": ("  LMDB, one transaction held (sees nothing new)", "us", ""),
    "decode": ("  decode alone", "us", ""),
    "get_ours_beside_servers": ("get + decode, in turns with servers, wall clock", "us", ""),
    "get_Redis": ("  Redis, Unix socket, hiredis", "us", ""),
    "get_memcached": ("  memcached, Unix socket", "us", ""),
    "ratio_get_LMDB": ("get + decode, ours / LMDB", "x", "<= 1.0"),
    "ratio_get_Redis": ("get + decode, ours / Redis", "x", "<= 0.05"),
    "ratio_get_memcached": ("get + decode, ours / memcached", "x", "<= 0.05"),
    "look_ours": ("lookup alone: the checked bytes", "us", ""),
    "look_LMDB": ("  LMDB, a transaction each", "us", ""),
    "look_LMDB, one snapshot": ("  LMDB, one transaction held (sees nothing new)", "us", ""),
    "look_ours_beside_servers": ("lookup alone, in turns with servers, wall clock", "us", ""),
    "look_Redis": ("  Redis", "us", ""),
    "look_memcached": ("  memcached", "us", ""),
    "ratio_look_LMDB": ("lookup alone, ours / LMDB", "x", ""),
    "ratio_look_Redis": ("lookup alone, ours / Redis", "x", ""),
    "ratio_look_memcached": ("lookup alone, ours / memcached", "x", ""),
    "decide": ("get + decide", "us", "<= 10"),
    "client": ("Client.route by hash, answered here", "us", ""),
    "get_c": ("get, C reader", "ns", "<= 300"),
    **{f"publish_{size}": (f"publish, {size:,} entries", "us", "<= 20") for size in (1000, MAIN, 100_000, 1_000_000)},
    "spread_publish": ("publish, slowest size / fastest", "x", "flat"),
    **{f"get_{size}": (f"get from all over {size:,} entries", "us", "") for size in (1000, MAIN, 100_000, 1_000_000)},
    "spread_get": ("get, slowest size / fastest", "x", "<= 1.5"),
    **{f"get_{readers}_readers": (f"get, {readers} readers, processor time", "us", "") for readers in READERS},
    **{f"per_second_{readers}_readers": (f"gets/s of {readers} readers", "", "") for readers in READERS},
    "spread_readers": ("get, slowest number of readers / fastest", "x", "<= 1.5"),
    "swap": ("swap: all entries invalid", "us", "< 10"),
    "bytes_per_entry": ("memory per entry, bytes", "", "<= 768"),
}
UNITS = {"us": 1e6, "ns": 1e9, "x": 1.0, "": 1.0}


def table(figures: Figures) -> str:
    """Return the figures for people, each goal beside what was measured."""
    rows = [
        (title, f"{_digits(figures[name] * UNITS[unit])} {unit}".rstrip(), goal)
        for name, (title, unit, goal) in GOALS.items()
        if name in figures
    ]
    wide = max(len(row[0]) for row in rows)
    return "\n".join(f"{title.ljust(wide)}  {value:>12}  {goal}".rstrip() for title, value, goal in rows)


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_cache", description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and no cache of a million, for a first look")
    given = parser.parse_args(arguments)
    figures, absent = measure(quick=given.quick)
    print(table(figures))
    for line in absent:
        print(line)
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
