"""The layout: nothing overlaps, everything is aligned, and a header that is not whole is refused."""

import dataclasses
import struct
import zlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecroute import _layout as layout
from vecroute._entry import CELLS, PLAN_BYTES, ROW
from vecroute._layout import BadSegment, Geometry, geometry_for, pack_geometry, unpack_geometry
from vecroute._speed import SPEED_BYTES

GEOMETRY = geometry_for(100, seed=7, instance=b"i" * 16, boot=b"b" * 16, created=9, writer=11)
HEADER = pack_geometry(GEOMETRY)


@given(
    entries=st.integers(1, layout.LARGEST_ENTRIES),
    seed=st.integers(0, 2**64 - 1),
    created=st.integers(0, 2**64 - 1),
    writer=st.integers(0, 2**32 - 1),
    instance=st.binary(min_size=16, max_size=16),
    boot=st.binary(min_size=16, max_size=16),
)
def test_a_geometry_survives_its_header(
    entries: int, seed: int, created: int, writer: int, instance: bytes, boot: bytes
) -> None:
    made = geometry_for(entries, seed=seed, instance=instance, boot=boot, created=created, writer=writer)
    packed = pack_geometry(made)
    assert entries <= made.entries < entries + layout.WAYS
    assert len(packed) == layout.GEOMETRY_BYTES <= layout.HOT_OFFSET
    assert unpack_geometry(packed, made.file_bytes) == made


@pytest.mark.parametrize("entries", [-5, 0, 1, 8])
def test_the_smallest_cache_is_one_set(entries: int) -> None:
    assert geometry_for(entries, seed=0, instance=bytes(16), boot=bytes(16), created=0, writer=0).entries == layout.WAYS


def test_no_cache_is_larger_than_the_limit() -> None:
    made = geometry_for(10**9, seed=0, instance=bytes(16), boot=bytes(16), created=0, writer=0)
    assert made.entries == layout.LARGEST_ENTRIES


@given(bit=st.integers(0, 8 * layout.GEOMETRY_BYTES - 1))
def test_any_flipped_bit_of_the_header_is_seen(bit: int) -> None:
    damaged = bytearray(HEADER)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSegment):
        unpack_geometry(bytes(damaged), GEOMETRY.file_bytes)


def changed(offset: int, code: str, value: object) -> Callable[[], bytes]:
    """Return a header with one field changed and a CRC that fits."""

    def make() -> bytes:
        header = bytearray(HEADER[:-4])
        struct.pack_into(code, header, offset, value)
        return bytes(header) + zlib.crc32(header).to_bytes(4, "little")

    return make


@dataclasses.dataclass(frozen=True)
class Refused:
    header: Callable[[], bytes]
    said: str
    size: int = GEOMETRY.file_bytes


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Refused(lambda: b"", "shorter than its header"), id="empty"),
        pytest.param(Refused(lambda: HEADER[:-1], "shorter than its header"), id="cut"),
        pytest.param(Refused(changed(0, "<8s", b"SQLite f"), "of another kind"), id="magic"),
        pytest.param(Refused(changed(8, "<H", 0), "version 0, this is 1"), id="old ABI"),
        pytest.param(Refused(changed(8, "<H", 2), "version 2, this is 1"), id="coming ABI"),
        pytest.param(Refused(changed(12, ">I", layout.ENDIANNESS), "another byte order"), id="foreign endian"),
        pytest.param(Refused(changed(16, "<I", 4096), "not the one of its version"), id="header bytes"),
        pytest.param(Refused(changed(20, "<I", 640), "not the one of its version"), id="slot bytes"),
        pytest.param(Refused(changed(28, "<I", 4), "not the one of its version"), id="ways"),
        pytest.param(Refused(changed(40, "<Q", 1), "not the one of its version"), id="tags elsewhere"),
        pytest.param(Refused(changed(48, "<Q", 1), "not the one of its version"), id="slots elsewhere"),
        pytest.param(Refused(changed(56, "<I", 2), "not the one of its version"), id="another checksum"),
        pytest.param(Refused(changed(60, "<I", 8), "not the one of its version"), id="more contexts"),
        pytest.param(Refused(changed(24, "<I", 0), "not the one of its version"), id="no sets"),
        pytest.param(Refused(changed(32, "<Q", 1), "its header says 1"), id="size"),
        pytest.param(Refused(lambda: HEADER, "holds 4096 bytes", size=4096), id="truncated"),
        pytest.param(Refused(lambda: HEADER, "bytes where its header", GEOMETRY.file_bytes + 1), id="extended"),
    ],
)
def test_what_a_reader_cannot_use_is_refused(case: Refused) -> None:
    with pytest.raises(BadSegment, match=f"{case.said}.*restart the daemon"):
        unpack_geometry(case.header(), case.size)


def test_more_sets_than_the_limit_are_refused() -> None:
    many = msgspec.structs.replace(GEOMETRY, sets=layout.LARGEST_ENTRIES // layout.WAYS + 1)
    with pytest.raises(BadSegment):
        unpack_geometry(pack_geometry(many), many.file_bytes)


def test_a_newer_minor_version_is_taken() -> None:
    assert unpack_geometry(changed(10, "<H", 9)(), GEOMETRY.file_bytes) == GEOMETRY


def test_the_parts_of_the_file_follow_one_another() -> None:
    assert layout.GEOMETRY_BYTES <= layout.HOT_OFFSET
    assert layout.EPOCH * layout.WORD < layout.HOT_OFFSET + layout.LINE
    assert layout.HOT_OFFSET % layout.LINE == 0
    assert layout.SPEED == layout.EPOCH + 1
    assert layout.SPEED_WORDS * layout.WORD == SPEED_BYTES
    assert (layout.SPEED + layout.SPEED_WORDS) * layout.WORD <= layout.COUNTERS_OFFSET
    assert (layout.EVICTED_AGES + layout.AGE_BUCKETS) * layout.WORD <= layout.CONTEXT_OFFSET
    assert layout.COUNTERS_OFFSET // layout.WORD + len(layout.COUNTERS) <= layout.EVICTED_AGES
    assert layout.CONTEXT_OFFSET + layout.CONTEXTS * layout.CONTEXT_BYTES == layout.TAGS_OFFSET
    assert layout.TAGS_OFFSET % layout.LINE == 0


def test_the_parts_of_a_slot_follow_one_another() -> None:
    assert layout.SLOT_HEAD.size == layout.METHODS_OFFSET
    assert layout.METHODS_OFFSET + 8 == layout.ESTIMATES_OFFSET
    assert layout.ESTIMATES_OFFSET + 8 * 6 * 4 == layout.PLANS_OFFSET
    assert layout.PLANS_OFFSET + 8 * PLAN_BYTES == layout.BASE_OFFSET
    assert layout.BASE_OFFSET + CELLS * ROW * 4 <= layout.CRC_OFFSET
    assert layout.CRC_OFFSET + 4 == layout.SLOT_BYTES
    assert layout.SLOT_BYTES % layout.LINE == 0


def test_names_of_a_slots_head_are_where_its_struct_puts_them() -> None:
    head = layout.SLOT_HEAD.pack(1, 2, b"k" * 16, 3, 4, 5, 6, 7, 0.0)
    assert head[layout.IDENTITY] == (2).to_bytes(8, "little") + b"k" * 16
    assert int.from_bytes(head[layout.EXPIRY], "little") == 3
    assert (head[layout.KIND_OFFSET], head[layout.LANE_OFFSET]) == (4, 5)


def test_lines_and_slots_fill_the_file() -> None:
    last = GEOMETRY.sets - 1
    assert GEOMETRY.tag_line(0) == layout.TAGS_OFFSET
    assert GEOMETRY.tag_line(last) + layout.LINE == GEOMETRY.slots_offset == GEOMETRY.slot(0, 0)
    assert GEOMETRY.slot(last, layout.WAYS - 1) + layout.SLOT_BYTES == GEOMETRY.file_bytes


def test_the_residue_is_what_any_data_and_its_crc_leave() -> None:
    for data in (b"", b"a", bytes(700)):
        assert zlib.crc32(data + zlib.crc32(data).to_bytes(4, "little")) == layout.RESIDUE


def test_an_entry_costs_at_most_768_bytes() -> None:
    assert layout.ENTRY_BYTES <= 768
    assert Geometry(sets=1250, seed=0, instance=b"", boot=b"").file_bytes / 10_000 < 768
