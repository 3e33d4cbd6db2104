"""`vecroute cache` shows what the shared cache holds and how it is, and has it emptied."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon
from tests.vecroute.builders import PLAN
from tests.vecroute.segments import FINGERPRINTS, SegmentWriter, prediction
from vecroute import Client, image_hash
from vecroute._boot import boot_time
from vecroute._entry import plan_key
from vecroute._layout import (
    CONTEXT_OFFSET,
    COUNTERS,
    COUNTERS_OFFSET,
    EVICTED_AGES,
    KIND_PLAN,
    SLOT_BYTES,
    TAGS_OFFSET,
    WORD,
)
from vecroute._segment import open_segment
from vecroute.cli import main
from vecroute.cli._cache_walk import take_census, walk

KEYS = [image_hash(bytes([number])) for number in range(5)]
MINUTE = 60_000_000_000


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[SegmentWriter]:
    """The cache beside the default socket: of five entries one belongs to another export, one has expired."""
    with SegmentWriter(tmp_path / "nobody.cache", 1024) as writer:
        writer.swap(FINGERPRINTS[1])
        writer.publish(KEYS[0], prediction())
        writer.swap(FINGERPRINTS[0])
        writer.publish(KEYS[1], prediction(), lifetime=0)
        writer.publish(KEYS[2], prediction(0.25), lifetime=MINUTE)
        writer.publish(KEYS[3], prediction(candidates=1, base=False), lifetime=10 * MINUTE)
        writer.publish(plan_key(KEYS[4], "ppo", PLAN), prediction(candidates=1, base=False), kind=KIND_PLAN)
        yield writer


def set_counters(writer: SegmentWriter, **numbers: int) -> None:
    for name, number in numbers.items():
        writer.store(COUNTERS_OFFSET // WORD + COUNTERS.index(name), number)


def damage(writer: SegmentWriter, key: bytes) -> int:
    """Change one byte of a key's entry and return its slot."""
    first = writer.geometry.slots_offset
    start = writer.map.find(key, first)
    slot = (start - first) // SLOT_BYTES
    writer.map[start + 300] ^= 1
    return slot


# ------------------------------------------------------------------ stats


def test_stats_for_programs(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    set_counters(segment, local_hits=70, hits=20, misses=10, evicted=3)
    segment.store(EVICTED_AGES + 4, 3)
    assert main(["cache", "stats", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["hit_rate"] == {"local": 0.7, "daemon": 0.2, "computed": 0.1}
    assert (said["slots"], said["live"], said["expired"], said["other"], said["damaged"]) == (1024, 3, 1, 1, [])
    assert (said["state"], said["mode"], said["file_bytes"]) == ("alive", "0600", segment.geometry.file_bytes)
    assert said["counters"]["evicted"] == said["evicted_ages"][4] == 3
    assert {power: count for power, count in enumerate(said["time_left"]) if count} == {6: 1, 10: 1, 12: 1}
    assert 0 <= said["heartbeat_seconds"] < 10
    assert said["owner"]
    assert said["export"] == "default 2026.11.24"


def test_stats_for_people(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    set_counters(segment, local_hits=1, hits=1, misses=2)
    segment.store(EVICTED_AGES + 11, 7)
    assert main(["cache", "stats"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    facts = {name: value.strip() for name, value in lines.items()}
    assert facts["answered"] == "25.0% by readers, 25.0% by the daemon's look, 50.0% computed"
    assert facts["slots"] == "1,024: 3 live, 1 expired, 1 of other exports, 0 damaged"
    assert facts["health"].startswith("alive, heartbeat ")
    assert facts["speed"] == "as predicted"
    assert facts["time left"] == "< 64 s: 1, < 17 min: 1, < 68 min: 1"
    assert facts["evicted at"] == "< 34 min: 7"


def test_stats_tell_how_fast_the_host_is(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    segment.speed(1.0, 1.0, 0.5, 3.0)
    assert main(["cache", "stats"]) == 0
    assert "speed      regression 0.50, ppo 3.00 times the predicted seconds\n" in capsys.readouterr().out


def test_stats_before_anybody_asked(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "stats"]) == 0
    assert "nobody has asked" in capsys.readouterr().out


def test_stats_of_a_cache_that_nobody_keeps(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    segment.beat(age_seconds=60)
    assert main(["cache", "stats"]) == 1
    assert "stale, heartbeat 60." in capsys.readouterr().out


def test_stats_name_damage(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    slot = damage(segment, KEYS[2])
    assert main(["cache", "stats"]) == 1
    assert f"slot {slot}: its checksum is wrong" in capsys.readouterr().out


# ------------------------------------------------------------------ dump


@pytest.mark.usefixtures("segment")
def test_dump_is_one_line_for_each_live_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "dump"]) == 0
    lines = sorted(capsys.readouterr().out.splitlines(), key=lambda line: ("plan" in line, "8 cand" not in line))
    assert lines[0].startswith(
        f"{KEYS[2].hex()}  prediction, lane onnx, 8 candidates, best performance at 1x with 0.250"
    )
    assert lines[1].startswith(f"{KEYS[3].hex()}  prediction, lane onnx, 1 candidate, best")
    assert lines[2].startswith(f"{plan_key(KEYS[4], 'ppo', PLAN).hex()}  plan, ")
    assert len(lines) == 3


@pytest.mark.usefixtures("segment")
def test_dump_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "dump", "--json"]) == 0
    said = {line["key"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    known = said[KEYS[2].hex()]
    assert (known["kind"], known["lane"], len(known["candidates"])) == ("prediction", "onnx", 8)
    assert known["candidates"][0]["plan"]["upscale"] == 1
    assert set(known["base"]) == {"performance", "feature_mapping", "regression", "ppo"}
    assert 0 < known["seconds_left"] <= 60
    assert said[KEYS[3].hex()]["base"] == {}


# ------------------------------------------------------------------ verify


@pytest.mark.usefixtures("segment")
def test_a_sound_cache(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "verify"]) == 0
    assert capsys.readouterr().out == "1,024 slots: 3 live, 1 expired, 1 of other exports, none damaged\n"


@pytest.mark.parametrize("key", [KEYS[0], KEYS[1], KEYS[2]], ids=["other export", "expired", "live"])
def test_damage_is_found_in_every_entry(segment: SegmentWriter, key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    slot = damage(segment, key)
    assert main(["cache", "verify"]) == 1
    said = capsys.readouterr()
    assert said.err == f"vecroute: slot {slot}: its checksum is wrong\n"
    assert said.out.endswith(", 1 damaged\n")
    assert main(["cache", "verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["damaged"] == [{"slot": slot, "problem": "its checksum is wrong"}]


def test_a_tag_of_another_key_is_damage(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    slot = damage(segment, KEYS[2])
    damage(segment, KEYS[2])  # a second time puts it right
    segment.store(TAGS_OFFSET // WORD + slot, 99)
    assert main(["cache", "verify"]) == 1
    assert "its tag is another key's" in capsys.readouterr().err


def test_an_entry_in_another_set_is_damage(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    slot = damage(segment, KEYS[2])
    damage(segment, KEYS[2])
    other = (slot + 8 * 50) % 1024
    start = segment.geometry.slots_offset
    whole = segment.map[start + slot * SLOT_BYTES : start + (slot + 1) * SLOT_BYTES]
    segment.map[start + other * SLOT_BYTES : start + (other + 1) * SLOT_BYTES] = whole
    segment.store(TAGS_OFFSET // WORD + other, segment.words[TAGS_OFFSET // WORD + slot])
    assert main(["cache", "verify"]) == 1
    assert "its key belongs to another set" in capsys.readouterr().err


def test_a_whole_slot_without_candidates_is_damage(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    segment.publish(image_hash(b"empty"), prediction(candidates=0))
    assert main(["cache", "verify"]) == 1
    assert "it holds no candidate" in capsys.readouterr().err


def test_a_damaged_context_is_found(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    for offset in range(CONTEXT_OFFSET + 20, TAGS_OFFSET, 4096):
        segment.map[offset] ^= 1
    assert main(["cache", "verify"]) == 1
    assert "what its entries share" in capsys.readouterr().err


def test_a_slot_that_is_being_written_is_no_damage(segment: SegmentWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = damage(segment, KEYS[2])

    def finish(_seconds: float) -> None:
        damage(segment, KEYS[2])  # the second time puts it right

    monkeypatch.setattr("vecroute.cli._cache_walk.time.sleep", finish)
    found = {one.number: one.state for one in walk(open_segment(segment.path), boot_time())}
    assert found[slot] == "live"


def test_every_slot_is_counted_for_the_bar(segment: SegmentWriter) -> None:
    seen: list[None] = []
    take_census(open_segment(segment.path), boot_time(), lambda: seen.append(None))
    assert len(seen) == 1024


# ------------------------------------------------------------------ no cache, and the daemon's own


@pytest.mark.parametrize("action", ["stats", "dump", "verify"])
def test_no_file(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", action]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "does not exist; restart the daemon" in said


def test_a_damaged_file_is_one_line(segment: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    segment.map[100] ^= 1
    assert main(["cache", "verify"]) == 1
    assert "its header is damaged" in capsys.readouterr().err


def test_flush_without_a_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "flush"]) == 1
    assert "start one with `vecroute serve`" in capsys.readouterr().err


def test_a_live_daemons_cache_is_sound_and_can_be_flushed(
    daemon: Daemon, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    socket = f"--socket={daemon.path}"
    assert main(["route", str(images), socket]) == 0
    capsys.readouterr()
    assert main(["cache", "verify", socket]) == 0
    assert "2 live" in capsys.readouterr().out
    assert main(["cache", "flush", socket]) == 0
    assert capsys.readouterr().out == "2 entries made invalid\n"
    assert main(["cache", "dump", socket]) == 0
    assert capsys.readouterr().out == ""
    assert main(["cache", "flush", "--json", socket]) == 0
    assert json.loads(capsys.readouterr().out) == {"flushed": 0}


def test_a_live_daemon_learns_what_its_readers_answer(
    daemon: Daemon, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def counted() -> int:
        assert main(["cache", "stats", "--json", f"--socket={daemon.path}"]) == 0
        return int(json.loads(capsys.readouterr().out)["counters"]["local_hits"])

    before = counted()
    with Client(daemon.path) as client:
        client.flush_cache()
        asked = [client.route(images / "a.png").cache for _ in range(2)]
        assert asked == ["miss", "local"]
        while counted() == before:  # the daemon looks once a second; the test's own timeout bounds it
            assert client.route(images / "a.png").cache == "local"
        assert client.status().cache.local_hits
