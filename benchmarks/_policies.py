"""What is kept when not all can be: our sets of eight ways beside exact LRU, SIEVE and S3-FIFO, as bare simulations.

A policy is told of one access after another and answers whether the key was there; on a miss it takes the key in.
"""

import hashlib
from collections import OrderedDict, deque
from functools import lru_cache
from itertools import count
from typing import Protocol

from vecroute._layout import HASH_BYTES, WAYS, WORD
from vecroute._placement import set_of, tag_of, victim, ways_of

SEED = 0x5EED_0F_CAFE


class Policy(Protocol):
    """Keeps as many keys as it has room for."""

    def access(self, key: int) -> bool:
        """Return whether the key was there; now it is."""


class Lru:
    """Exact: the key used longest ago goes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[int, None] = OrderedDict()

    def access(self, key: int) -> bool:
        if key in self._keys:
            self._keys.move_to_end(key)
            return True
        if len(self._keys) >= self._capacity:
            self._keys.popitem(last=False)
        self._keys[key] = None
        return False


class _Node:
    """One key in SIEVE's queue; `newer` leads to the head."""

    __slots__ = ("key", "newer", "older", "visited")

    def __init__(self, key: int, older: "_Node | None") -> None:
        self.key, self.older, self.visited = key, older, False
        self.newer: _Node | None = None


class Sieve:
    """A queue in order of arrival with a hand that spares visited keys once (Zhang et al., NSDI 2024)."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._nodes: dict[int, _Node] = {}
        self._newest: _Node | None = None
        self._oldest: _Node | None = None
        self._hand: _Node | None = None

    def access(self, key: int) -> bool:
        if (node := self._nodes.get(key)) is not None:
            node.visited = True
            return True
        if len(self._nodes) >= self._capacity:
            self._evict()
        node = self._nodes[key] = _Node(key, self._newest)
        if self._newest is not None:
            self._newest.newer = node
        self._newest = node
        self._oldest = self._oldest or node
        return False

    def _evict(self) -> None:
        node = self._hand or self._oldest
        assert node is not None
        while node.visited:
            node.visited = False
            node = node.newer or self._oldest
            assert node is not None
        self._hand = node.newer
        if node.newer is not None:
            node.newer.older = node.older
        else:
            self._newest = node.older
        if node.older is not None:
            node.older.newer = node.newer
        else:
            self._oldest = node.newer
        del self._nodes[node.key]


class S3Fifo:
    """A small queue on trial, a main one, and the names of those thrown out early (Yang et al., SOSP 2023)."""

    def __init__(self, capacity: int) -> None:
        self._small_room = max(capacity // 10, 1)
        self._main_room = capacity - self._small_room
        self._small: deque[int] = deque()
        self._main: deque[int] = deque()
        self._uses: dict[int, int] = {}  # of the keys in both queues
        self._ghosts: OrderedDict[int, None] = OrderedDict()

    def access(self, key: int) -> bool:
        if key in self._uses:
            self._uses[key] = min(self._uses[key] + 1, 3)
            return True
        while len(self._uses) >= self._small_room + self._main_room:
            self._evict()
        if key in self._ghosts:
            del self._ghosts[key]
            self._main.append(key)
        else:
            self._small.append(key)
        self._uses[key] = 0
        return False

    def _evict(self) -> None:
        if len(self._small) >= self._small_room or not self._main:
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        key = self._small.popleft()
        if self._uses[key] > 1:
            self._uses[key] = 0
            self._main.append(key)
            if len(self._main) > self._main_room:
                self._evict_main()
            return
        del self._uses[key]
        self._ghosts[key] = None
        if len(self._ghosts) > self._main_room:
            self._ghosts.popitem(last=False)

    def _evict_main(self) -> None:
        while self._uses[key := self._main.popleft()]:
            self._uses[key] -= 1
            self._main.append(key)
        del self._uses[key]


class Sets:
    """The shared cache's own: LRU within a set of eight ways, through `vecroute._placement` alone.

    `sweep` None: every use is known at once, as the daemon knows its own. Else readers leave hints, one byte a slot,
    which the writer takes in every `sweep` accesses and, in a set where it makes room, then. 0: no hints reach it.
    """

    def __init__(self, capacity: int, sweep: int | None = None) -> None:
        self._sets = -(-capacity // WAYS)
        self._lines = [bytearray(WAYS * WORD) for _ in range(self._sets)]
        self._keys: list[list[int | None]] = [[None] * WAYS for _ in range(self._sets)]
        self._used = [[0] * WAYS for _ in range(self._sets)]
        self._sweep = sweep
        self._hints: dict[tuple[int, int], None] = {}
        self._clock = count(1)
        self._alive = (False,) * WAYS

    def access(self, key: int) -> bool:
        now = next(self._clock)
        if self._sweep and now % self._sweep == 0:
            self._take_in(list(self._hints), now)
        number, tag = place(key, self._sets)
        for way in ways_of(bytes(self._lines[number]), tag):
            if self._keys[number][way] == key:
                self._use(number, way, now)
                return True
        if self._sweep:
            self._take_in([(number, way) for way in range(WAYS) if (number, way) in self._hints], now)
        way = victim(bytes(self._lines[number]), self._alive, self._used[number])
        self._lines[number][way * WORD : (way + 1) * WORD] = tag
        self._keys[number][way] = key
        self._used[number][way] = now
        return False

    def _use(self, number: int, way: int, now: int) -> None:
        if self._sweep is None:
            self._used[number][way] = now
        elif self._sweep:
            self._hints[number, way] = None

    def _take_in(self, slots: list[tuple[int, int]], now: int) -> None:
        for number, way in slots:
            self._used[number][way] = now
            del self._hints[number, way]


@lru_cache(maxsize=1 << 20)
def place(key: int, sets: int) -> tuple[int, bytes]:
    """Return the set and tag of an image with this number."""
    name = hashlib.blake2b(key.to_bytes(8, "little"), digest_size=HASH_BYTES).digest()
    return set_of(name, SEED, sets), tag_of(name)


def hit_ratio(policy: Policy, trace: list[int], warm_up: int = 0) -> float:
    """Return the share of accesses that found their key, not counting the first `warm_up`."""
    for key in trace[:warm_up]:
        policy.access(key)
    rest = trace[warm_up:]
    return sum(map(policy.access, rest)) / len(rest)
