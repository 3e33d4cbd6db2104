"""What `vecroute cache stats` tells: who answered, how old entries are, how the file and its keeper are."""

import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from router import Method
from vecroute._boot import boot_time
from vecroute._context import find_context
from vecroute._layout import CONTEXT, CONTEXT_OFFSET, FINGERPRINT, TAGS_OFFSET
from vecroute._segment import Segment
from vecroute._statistics import CacheStatistics, statistics_of
from vecroute.cli._cache_walk import Census, Damage
from vecroute.cli._terminal import speed_text


class HitRate(msgspec.Struct, frozen=True):
    """Of all requests, the shares that readers answered themselves, that the daemon found here, that were computed."""

    local: float
    daemon: float
    computed: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `evicted_ages` and `time_left` count entries by the power of two of seconds: < 1, < 2, < 4, ..."""

    path: str
    state: str
    owner: str
    mode: str
    file_bytes: int
    instance: str
    writer: int
    heartbeat_seconds: float
    slots: int
    live: int
    expired: int
    other: int
    damaged: tuple[Damage, ...]
    export: str | None
    lane: str | None
    fingerprint: str
    epoch: int
    system_load: float
    resource_availability: float
    speed: dict[Method, float]
    hit_rate: HitRate | None
    counters: dict[str, int]
    evicted_ages: tuple[int, ...]
    time_left: tuple[int, ...]


def report_of(path: Path, segment: Segment, census: Census) -> Report:
    """Return the report on a file whose slots have been counted."""
    said = statistics_of(path, segment, boot_time(), hits=0, misses=0)
    found = path.stat()
    shared = {
        name: getattr(said, name) for name in CacheStatistics.__struct_fields__ if name in Report.__struct_fields__
    }
    counted = {name: getattr(census, name) for name in ("slots", "live", "expired", "other", "damaged", "time_left")}
    return Report(
        **shared,
        **counted,
        owner=_user(found.st_uid),
        mode=f"{stat.S_IMODE(found.st_mode):04o}",
        export=_export(segment),
        hit_rate=_hit_rate(said.counters),
    )


def facts_of(report: Report) -> dict[str, str]:
    """Return the report as lines for people: what, and how it is."""
    c, rate = report.counters, report.hit_rate
    facts = {
        "file": f"{report.path}, {report.file_bytes / 1e6:.1f} MB, mode {report.mode}, owner {report.owner}",
        "health": f"{report.state}, heartbeat {report.heartbeat_seconds:.1f} s old, kept by process {report.writer}",
        "export": f"{report.export or 'none'}, lane {report.lane or 'unknown'}, flushed {report.epoch} times",
        "slots": f"{report.slots:,}: {report.live:,} live, {report.expired:,} expired, "
        f"{report.other:,} of other exports, {len(report.damaged):,} damaged",
        "answered": "nobody has asked"
        if rate is None
        else f"{rate.local:.1%} by readers, {rate.daemon:.1%} by the daemon's look, {rate.computed:.1%} computed",
        "counted": ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in c.items()),
        "host": f"load {report.system_load:.0%}, {report.resource_availability:.0%} available",
        "speed": speed_text(report.speed),
    }
    for title, buckets in (("time left", report.time_left), ("evicted at", report.evicted_ages)):
        if any(buckets):
            facts[title] = _histogram(buckets)
    if report.damaged:
        facts["damage"] = "; ".join(map(str, report.damaged))
    return facts


def _hit_rate(counters: dict[str, int]) -> HitRate | None:
    local, daemon, computed = counters["local_hits"], counters["hits"], counters["misses"]
    asked = local + daemon + computed
    return HitRate(local / asked, daemon / asked, computed / asked) if asked else None


def _histogram(buckets: Sequence[int]) -> str:
    """Return `< 64 s: 12, < 128 s: 3`: bucket n holds what is below 2^n seconds."""
    return ", ".join(f"< {_duration(2**power)}: {count:,}" for power, count in enumerate(buckets) if count)


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds} s"


def _export(segment: Segment) -> str | None:
    fingerprint, generation = segment.words[FINGERPRINT], segment.words[CONTEXT]
    context = find_context(segment.map[CONTEXT_OFFSET:TAGS_OFFSET], generation, fingerprint) if fingerprint else None
    return None if context is None or context.export is None else f"{context.export.name} {context.export.version}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
