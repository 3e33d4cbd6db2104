"""Processes that race: one writes as fast as it can, others read and check every number of what they get.

Run as a program: `race.py write CACHE KEYS SECONDS_OF_PAUSE` until its input ends, or `race.py read CACHE KEYS READS`.
"""

import os
import random
import select
import struct
import sys
import time
from pathlib import Path

from tests.vecroute.segments import FINGERPRINTS, HOUR, SegmentWriter, no_pause, prediction
from vecroute import SharedCache
from vecroute._boot import boot_time
from vecroute._entry import CELLS, ROW, pack_body
from vecroute._layout import BASE_OFFSET, ESTIMATES_OFFSET, KIND_PREDICTION, METHODS_OFFSET, PLANS_OFFSET

KEYS = 12  # for 16 ways: the writer often reuses a slot that somebody has just looked up
VERSIONS = 64
KEYS_PER_VERSION = 64
SCALE = 65536.0  # all numbers are exact in single precision
DECODED = 16  # every so many reads the whole prediction is compared, not only the bytes of its numbers


def number(key: int, version: int) -> float:
    """Return what every number of that version of that key's entry is."""
    return (key + KEYS_PER_VERSION * version) / SCALE


def read_keys(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data[at : at + 16] for at in range(0, len(data), 16)]


def packed(name: bytes, key: int, version: int) -> bytes:
    """Return the body of a version of a key's entry."""
    said = prediction(number(key, version))
    return pack_body(said, name, fingerprint=FINGERPRINTS[0], expiry=boot_time() + HOUR)


def write(cache: Path, keys: list[bytes], pause: float) -> int:
    """Publish until the input ends; now and then swap the fingerprint and back. Return how many were published."""
    wait = (lambda: time.sleep(pause)) if pause else no_pause
    source, published = random.Random(5), 0
    with SegmentWriter(cache, 16, pause=wait) as writer:
        bodies = [[packed(keys[key], key, version) for version in range(VERSIONS)] for key in range(len(keys))]
        print("ready", flush=True)
        while published % 64 or not select.select([sys.stdin], [], [], 0)[0]:
            key = source.randrange(len(keys))
            writer.write(keys[key], source.choice(bodies[key]))
            published += 1
            if published % 64 == 0:
                writer.beat()
            if published % 4096 == 0:
                writer.swap(FINGERPRINTS[1])
                writer.swap(FINGERPRINTS[0])
    return published


def is_right(slot: bytes, key: int) -> bool:
    """Tell whether all numbers of a slot are one number of that key."""
    one = slot[ESTIMATES_OFFSET : ESTIMATES_OFFSET + 4]
    return (
        slot[ESTIMATES_OFFSET:PLANS_OFFSET] == one * 48
        and slot[BASE_OFFSET : BASE_OFFSET + 4 * CELLS * ROW] == one * (CELLS * ROW)
        and slot[METHODS_OFFSET - 4 : METHODS_OFFSET] == one
        and one in NUMBERS[key]
    )


def is_whole(cache: SharedCache, key: bytes, index: int) -> bool:
    """Tell whether a key's prediction, if there, is one that the writer wrote."""
    found = cache.get(key)
    if found is None:
        return True
    one = found.prediction_seconds
    return found == prediction(one) and round(one * SCALE) % KEYS_PER_VERSION == index


def read(path: Path, keys: list[bytes], reads: int) -> tuple[int, int, int]:
    """Return hits, misses and wrong values of that many reads that hit."""
    source = random.Random(os.getpid())
    hits = misses = wrong = 0
    with SharedCache.open(path) as cache:
        while hits < reads and misses < 1000 * reads:
            index = source.randrange(len(keys))
            if hits % DECODED == 0:
                wrong += not is_whole(cache, keys[index], index)
            found = cache._find(keys[index], KIND_PREDICTION)
            if found is None:
                misses += 1
            else:
                hits += 1
                wrong += not is_right(found[1], index)
    return hits, misses, wrong


def packed_numbers(key: int) -> frozenset[bytes]:
    return frozenset(struct.pack("<f", number(key, version)) for version in range(VERSIONS))


NUMBERS = [packed_numbers(key) for key in range(KEYS)]


def main(role: str, cache: str, keys: str, amount: str) -> None:
    """Play a role and print what came of it."""
    known = read_keys(Path(keys))
    if role == "write":
        print(write(Path(cache), known, float(amount)))
    else:
        print(*read(Path(cache), known, int(amount)))


if __name__ == "__main__":
    main(*sys.argv[1:])
