"""A day of a host that converts logos, simulated: what happens to each request, and why some had to be computed."""

import math
from typing import NamedTuple

from benchmarks._policies import place
from benchmarks._traces import repeated, zipf
from vecroute._layout import WAYS, WORD
from vecroute._placement import victim, ways_of

IMAGES = 5000
ENTRIES = 10_000  # the daemon's default
LIFE = 3600.0  # seconds, likewise
DAY = 86_400.0
SWAPS = (8.5 / 24, 13 / 24, 17.5 / 24)  # of the day: new exports arrive in working hours
# A share of all requests asks for an image again that was asked for a moment ago: another target, another budget.
REPEATS, AMONG = 0.3, 100


class Day(NamedTuple):
    """How many requests found their prediction, and why the others did not."""

    requests: int
    hits: int
    first_seen: int
    swapped: int
    expired: int
    evicted: int


class _Entry(NamedTuple):
    image: int
    export: int
    expiry: float


class _Keeper:
    """The cache with expiry and exports; dead entries are the first to make room."""

    def __init__(self) -> None:
        self._sets = -(-ENTRIES // WAYS)
        self._lines = [bytearray(WAYS * WORD) for _ in range(self._sets)]
        self._entries: list[list[_Entry | None]] = [[None] * WAYS for _ in range(self._sets)]
        self._used = [[0.0] * WAYS for _ in range(self._sets)]
        self._ended: dict[int, str] = {}  # why an image that was known is not any more

    def ask(self, image: int, now: float, export: int) -> str:
        """Return what a request finds: `hits`, or why there is nothing."""
        number, tag = place(image, self._sets)
        ways = [way for way in ways_of(bytes(self._lines[number]), tag) if self._is_of(number, way, image)]
        why = self._ended.get(image, "first_seen")
        if ways:
            found = self._entries[number][ways[0]]
            assert found is not None
            why = "swapped" if found.export != export else "expired" if found.expiry <= now else "hits"
        if why == "hits":
            self._used[number][ways[0]] = now
        else:
            self._publish(number, tag, _Entry(image, export, now + LIFE), now, ways)
        return why

    def _is_of(self, number: int, way: int, image: int) -> bool:
        entry = self._entries[number][way]
        return entry is not None and entry.image == image

    def _publish(self, number: int, tag: bytes, entry: _Entry, now: float, old: list[int]) -> None:
        dead = [one is None or one.export != entry.export or one.expiry <= now for one in self._entries[number]]
        way = victim(bytes(self._lines[number]), dead, [int(used * 1e6) for used in self._used[number]])
        gone = self._entries[number][way]
        if gone is not None and gone.image != entry.image:
            self._ended[gone.image] = _end_of(gone, entry.export, now)
        self._lines[number][way * WORD : (way + 1) * WORD] = tag
        self._entries[number][way] = entry
        self._used[number][way] = now
        for other in old:
            if other != way:
                self._lines[number][other * WORD : (other + 1) * WORD] = bytes(WORD)
                self._entries[number][other] = None


def _end_of(entry: _Entry, export: int, now: float) -> str:
    if entry.export != export:
        return "swapped"
    return "expired" if entry.expiry <= now else "evicted"


def simulate_day(requests: int) -> Day:
    """Return what happens to the requests of a day: busiest at 14:00, with a tenth of that at 2:00."""
    keeper = _Keeper()
    counts = dict.fromkeys(Day._fields, 0)
    for at, image in enumerate(repeated(zipf(1.0, IMAGES, requests, seed=7), REPEATS, AMONG)):
        share = _time_of((at + 0.5) / requests)
        counts[keeper.ask(image, share * DAY, sum(share >= swap for swap in SWAPS))] += 1
    return Day(**{**counts, "requests": requests})


def _time_of(share: float) -> float:
    """Return when in the day, 0..1, this share of all requests has come."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _come_by(middle) < share else (low, middle)
    return low


def _come_by(time: float) -> float:
    """Return the share of the day's requests that have come by then; the rate is 1 - 9/11 cos(2 pi (t - 1/12))."""
    depth, turn = 9 / 11, 2 * math.pi
    return time - depth / turn * (math.sin(turn * (time - 1 / 12)) + math.sin(turn / 12))
