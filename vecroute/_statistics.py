"""What a shared cache tells about itself: geometry, state and the daemon's counters."""

from pathlib import Path

import msgspec

from router import METHODS, Lane, Method
from vecroute._layout import (
    AGE_BUCKETS,
    ALIVE,
    AVAILABILITY,
    COUNTERS,
    COUNTERS_OFFSET,
    EPOCH,
    EVICTED_AGES,
    FINGERPRINT,
    HEARTBEAT,
    LANE,
    LANES,
    SPEED,
    STALE_NS,
    STATUS,
    SUPERSEDED,
    SYSTEM_LOAD,
    WORD,
)
from vecroute._segment import Segment
from vecroute._speed import AS_PREDICTED, SPEED_BYTES, speed_of


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A shared cache at one moment.

    `state`: `alive`, `stale` (no heartbeat for long), `superseded` by another file, or `empty` (nothing is valid).
    `counters` are the daemon's since the file was made; `evicted_ages` counts evicted entries by the power of two of
    their age in seconds; `hits` and `misses` are this reader's. `speed` is `router.Host.speed` by method.
    """

    path: str
    state: str
    entries: int
    file_bytes: int
    instance: str
    writer: int
    fingerprint: str
    epoch: int
    heartbeat_seconds: float
    system_load: float
    resource_availability: float
    lane: Lane | None
    speed: dict[Method, float]
    counters: dict[str, int]
    evicted_ages: tuple[int, ...]
    hits: int
    misses: int


def statistics_of(path: Path, segment: Segment, now: int, *, hits: int, misses: int) -> CacheStatistics:
    """Return the statistics of a mapped file."""
    words, floats, geometry = segment.words, segment.floats, segment.geometry
    first, lane = COUNTERS_OFFSET // WORD, words[LANE]
    speed = speed_of(segment.map[SPEED * WORD : SPEED * WORD + SPEED_BYTES])
    return CacheStatistics(
        path=str(path),
        state=_state(words[STATUS], words[FINGERPRINT], now - words[HEARTBEAT]),
        entries=geometry.entries,
        file_bytes=geometry.file_bytes,
        instance=geometry.instance.hex(),
        writer=geometry.writer,
        fingerprint=f"{words[FINGERPRINT]:016x}",
        epoch=words[EPOCH],
        heartbeat_seconds=(now - words[HEARTBEAT]) / 1e9,
        system_load=floats[SYSTEM_LOAD],
        resource_availability=floats[AVAILABILITY],
        lane=LANES[lane] if lane < len(LANES) else None,
        speed=dict(zip(METHODS, speed or AS_PREDICTED, strict=True)),
        counters=dict(zip(COUNTERS, words[first : first + len(COUNTERS)], strict=True)),
        evicted_ages=tuple(words[EVICTED_AGES : EVICTED_AGES + AGE_BUCKETS]),
        hits=hits,
        misses=misses,
    )


def _state(status: int, fingerprint: int, age: int) -> str:
    if status == SUPERSEDED:
        return "superseded"
    if status != ALIVE or abs(age) > STALE_NS:
        return "stale"
    return "alive" if fingerprint else "empty"
