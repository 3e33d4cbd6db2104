"""The C reader finds and refuses what the Python reader does, and both follow one layout."""

import json
import os
import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import GRID_BUDGETS, GRID_TARGETS, MAX_CANDIDATES, METHODS
from tests.vecroute.builders import EXPORT
from tests.vecroute.c_reader import HEADER, LOOKUP, compile_c, needs_compiler
from tests.vecroute.segments import FINGERPRINTS, SegmentWriter, prediction
from tests.vecroute.test_segment import (
    cut_the_header,
    extend,
    flip,
    from_another_boot,
    replace_by_directory,
    replace_by_fifo,
    replace_by_link,
    replace_by_socket,
    truncate,
)
from vecroute import SharedCache, _entry, image_hash
from vecroute import _layout as layout
from vecroute._context import SharedContext
from vecroute._layout import CRC_OFFSET, FINGERPRINT, KIND_PLAN, STATUS, SUPERSEDED

A, B = image_hash(b"a"), image_hash(b"b")
SAID = prediction(0.5)

Lookup = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(LOOKUP, tmp_path_factory.mktemp("c") / "lookup", "-fsanitize=undefined", "-fno-sanitize-recover")


@pytest.fixture
def lookup(program: Path, writer: SegmentWriter) -> Lookup:
    """Return what runs the example: its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, Any]:
        command = (str(program), str(writer.path), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    return run


# ---------------------------------------------------------------- one layout


def constants() -> dict[str, int]:
    """Return the numbers that the header defines."""
    found = re.findall(r"^#define VRC_(\w+) (0x[0-9A-Fa-f]+|\d+)(?:u|LL)?\b", HEADER.read_text(), re.MULTILINE)
    return {name: int(value, 0) for name, value in found}


def word(number: int) -> int:
    return number * layout.WORD


def head(field: int) -> int:
    """Return where a field of a slot's head lies."""
    codes = re.findall(r"\d*[a-zA-Z]", layout.SLOT_HEAD.format)
    return struct.calcsize("<" + "".join(codes[:field]))


def geometry(field: int) -> int:
    """Return where a field of the header lies."""
    codes = re.findall(r"\d+s|\w", layout._GEOMETRY.format)
    return struct.calcsize("<" + "".join(codes[:field]))


def expected() -> dict[str, int]:
    """Return what each number of the C header has to be."""
    names = (
        "MAGIC ABI_MAJOR ABI_MINOR ENDIANNESS HEADER_BYTES SLOT_BYTES SETS WAYS FILE_BYTES TAGS_AT SLOTS_AT CHECKSUM "
        "CONTEXTS SEED INSTANCE BOOT CREATED WRITER HEADER_CRC"
    )
    slot = "SEQUENCE FINGERPRINT KEY EXPIRY KIND LANE COUNT KNOWN SECONDS"
    hot = "STATUS FINGERPRINT CONTEXT HEARTBEAT SYSTEM_LOAD AVAILABILITY LANE EPOCH SPEED"
    same = (
        "ABI_MAJOR ENDIANNESS CHECKSUM_CRC32 WAYS LINE HEADER_BYTES LARGEST_ENTRIES GEOMETRY_BYTES COUNTERS_OFFSET "
        "CONTEXTS CONTEXT_BYTES SLOT_BYTES HASH_BYTES ALIVE SUPERSEDED LATE RESIDUE STALE_NS"
    )
    return {
        **{f"{name}_OFFSET": geometry(number) for number, name in enumerate(names.split())},
        **{f"SLOT_{name}": head(number) for number, name in enumerate(slot.split())},
        **{f"{name}_OFFSET": word(getattr(layout, name)) for name in hot.split()},
        **{name: getattr(layout, name) for name in same.split()},
        "CONTEXTS_AT": layout.CONTEXT_OFFSET,
        "CONTEXT_HEAD_BYTES": layout.CONTEXT_HEAD.size,
        "TAGS_AT": layout.TAGS_OFFSET,
        "SLOT_METHODS": layout.METHODS_OFFSET,
        "SLOT_ESTIMATES": layout.ESTIMATES_OFFSET,
        "SLOT_PLANS": layout.PLANS_OFFSET,
        "SLOT_BASE": layout.BASE_OFFSET,
        "SLOT_CRC": layout.CRC_OFFSET,
        "ESTIMATE_BYTES": 4 * _entry.ESTIMATE,
        "PLAN_BYTES": _entry.PLAN_BYTES,
        "CANDIDATES": MAX_CANDIDATES,
        "METHODS": len(METHODS),
        "CELLS": len(GRID_TARGETS) * len(GRID_BUDGETS),
    }


def test_the_c_header_has_the_layout_of_the_python_reader() -> None:
    found = constants()
    own = {"TRIES"}
    assert {name: value for name, value in found.items() if name not in own} == expected()


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("METHOD", METHODS),
        ("LANE", layout.LANES),
        ("MATTE", _entry._MATTES),
        ("MODE", _entry._MODES),
        ("HIERARCHY", _entry._HIERARCHIES),
        ("COLORMODE", _entry._COLORMODES),
    ],
)
def test_the_names_have_the_same_numbers(table: str, names: tuple[str, ...]) -> None:
    found = re.search(rf"VRC_{table}_NAMES\[\] = {{(.*?)}}", HEADER.read_text())
    assert found is not None
    assert tuple(re.findall(r'"(\w+)"', found[1])) == names


# ---------------------------------------------------------------- what it finds


def plain(said: Any) -> dict[str, Any]:
    """Return a prediction as the example prints it."""
    shown: dict[str, Any] = msgspec.to_builtins(
        {
            "lane": said.lane,
            "late": said.late,
            "prediction_seconds": said.prediction_seconds,
            "candidates": said.candidates,
            "base": dict(said.base),
        }
    )
    return shown


@needs_compiler
@pytest.mark.parametrize("count", [1, 5, 8])
def test_it_finds_what_the_python_reader_finds(writer: SegmentWriter, lookup: Lookup, count: int) -> None:
    writer.publish(A, prediction(0.1, count, base=count != 5))
    code, printed = lookup(A.hex())
    assert code == 0
    context = printed.pop("context")
    with SharedCache.open(writer.path) as cache:
        assert printed == rounded(cache.get(A))
    assert context["export"]["digest"] == EXPORT.digest
    assert context["policy"]["name"] == "constrained"


def rounded(said: Any) -> dict[str, Any]:
    """Return what the example prints: nine digits say a number of single precision exactly."""
    text = json.dumps(plain(said))
    numbers = re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.9g}", text)
    shown: dict[str, Any] = json.loads(numbers)
    return shown


@needs_compiler
def test_it_measures_itself(writer: SegmentWriter, lookup: Lookup) -> None:
    writer.publish(A, SAID)
    assert lookup(A.hex(), "100")[1]["nanoseconds"] > 0


@needs_compiler
def test_it_tells_the_state(writer: SegmentWriter, lookup: Lookup) -> None:
    assert lookup() == (
        0,
        {
            "state": "alive",
            "entries": 64,
            "file_bytes": writer.geometry.file_bytes,
            "fingerprint": f"{FINGERPRINTS[0]:016x}",
            "epoch": 0,
            "system_load": 0.25,
            "resource_availability": 0.5,
            "lane": "base",
            "speed": dict.fromkeys(METHODS, 1.0),
        },
    )
    writer.beat(11)
    assert lookup()[1]["state"] == "stale"
    writer.store(STATUS, SUPERSEDED)
    assert lookup()[1]["state"] == "superseded"
    writer.store(FINGERPRINT, 0)
    assert lookup()[1]["state"] == "empty"


@needs_compiler
def test_it_believes_of_the_hosts_speed_what_the_python_reader_believes(writer: SegmentWriter, lookup: Lookup) -> None:
    writer.speed(0.125, 8.0, 8.5, float("nan"))
    expected = {"performance": 0.125, "feature_mapping": 8.0, "regression": 1.0, "ppo": 1.0}
    assert lookup()[1]["speed"] == expected
    with SharedCache.open(writer.path) as cache:
        assert cache.statistics().speed == expected


@needs_compiler
def test_keys_with_the_same_tag_are_told_apart(writer: SegmentWriter, lookup: Lookup) -> None:
    keys = [bytes([number]) * 8 + tag for number in range(20) for tag in (b"same tag", bytes(8))]
    for number, key in enumerate(keys):
        writer.publish(key, prediction(number / 64))
    assert [lookup(key.hex())[1]["prediction_seconds"] for key in keys] == [number / 64 for number in range(len(keys))]


@needs_compiler
def test_the_newest_context_of_a_fingerprint_is_the_one(writer: SegmentWriter, lookup: Lookup) -> None:
    writer.publish(A, SAID)
    for number in range(6):
        writer.swap(FINGERPRINTS[0], SharedContext(reason=f"reason {number}"))
        assert lookup(A.hex())[1]["context"]["reason"] == f"reason {number}"


# ---------------------------------------------------------------- what it refuses

MISS = (1, {"error": "not in the cache"})
GONE = (1, {"error": "nobody keeps this cache any more"})


@needs_compiler
def test_misses(writer: SegmentWriter, lookup: Lookup) -> None:
    number, way = writer.publish(A, SAID)
    assert lookup(B.hex()) == MISS
    writer.swap(FINGERPRINTS[1])
    assert lookup(A.hex()) == MISS
    writer.swap(FINGERPRINTS[0])
    assert lookup(A.hex())[0] == 0
    writer.store(FINGERPRINT, 0)
    assert lookup(A.hex()) == MISS
    writer.swap(FINGERPRINTS[0])
    slot = writer.slot(number, way)
    for at in (0, 1, 9, 100, CRC_OFFSET):
        writer.map[slot.start + at] ^= 1
        assert lookup(A.hex()) == MISS
        writer.map[slot.start + at] ^= 1
    writer.publish(A, SAID, lifetime=-1)
    assert lookup(A.hex()) == MISS
    writer.publish(B, SAID, kind=KIND_PLAN)
    assert lookup(B.hex()) == MISS


@needs_compiler
def test_too_many_candidates_are_a_miss(writer: SegmentWriter, lookup: Lookup) -> None:
    slot = bytearray(writer.map[writer.slot(*writer.publish(A, SAID))])
    slot[42] = 9
    writer.write(A, bytes(slot[8:CRC_OFFSET]))
    assert lookup(A.hex()) == MISS


@needs_compiler
@pytest.mark.parametrize("age", [11, -11])
def test_a_cache_that_nobody_keeps_is_said_to_be_so(writer: SegmentWriter, lookup: Lookup, age: float) -> None:
    writer.publish(A, SAID)
    writer.beat(age)
    assert lookup(A.hex()) == GONE
    writer.beat()
    writer.store(STATUS, SUPERSEDED)
    assert lookup(A.hex()) == GONE


FORMAT = "no shared cache of this version"
UNTRUSTED = "others may write to it, or it is no regular file"


@needs_compiler
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(Path.unlink, "there is no such file", id="missing"),
        pytest.param(replace_by_directory, UNTRUSTED, id="directory"),
        pytest.param(replace_by_fifo, UNTRUSTED, id="FIFO"),
        pytest.param(replace_by_socket, UNTRUSTED, id="socket"),
        pytest.param(replace_by_link, UNTRUSTED, id="symlink"),
        pytest.param(lambda path: path.chmod(0o620), UNTRUSTED, id="group-writable"),
        pytest.param(truncate, FORMAT, id="truncated"),
        pytest.param(cut_the_header, FORMAT, id="cut header"),
        pytest.param(extend, FORMAT, id="extended"),
        pytest.param(flip(0), FORMAT, id="magic"),
        pytest.param(flip(8), FORMAT, id="old ABI"),
        pytest.param(flip(12), FORMAT, id="endianness"),
        pytest.param(flip(64), FORMAT, id="damaged seed"),
        pytest.param(from_another_boot, "made before the host was booted", id="boot"),
    ],
)
def test_files_it_refuses(writer: SegmentWriter, lookup: Lookup, damage: Callable[[Path], None], said: str) -> None:
    damage(writer.path)
    assert lookup(A.hex()) == (2, {"error": said})


@pytest.fixture
def foreign(writer: SegmentWriter) -> Iterator[int]:
    """Make file and directory belong to two other users."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(writer.path, 4242, -1)
    yield 4242
    os.chown(writer.path.parent, 0, -1)


@needs_compiler
def test_whose_file_it_believes(writer: SegmentWriter, lookup: Lookup, foreign: int) -> None:
    writer.publish(A, SAID)
    assert lookup(A.hex()) == (2, {"error": UNTRUSTED})
    os.chown(writer.path.parent, foreign, -1)
    assert lookup(A.hex())[0] == 0


@needs_compiler
@pytest.mark.parametrize("arguments", [("xyz",), ("0" * 31,), ("0" * 32, "1", "2")])
def test_it_says_how_it_is_called(lookup: Lookup, arguments: tuple[str, ...]) -> None:
    code, said = lookup(*arguments)
    assert code == 64
    assert "usage" in said or "hex digits" in said
