"""The documented offsets are those of the code."""

import re
import struct
from pathlib import Path

import msgspec
import pytest

from router import METHODS, Plan
from tests.vecroute.test_c_reader import constants, geometry, head, word
from vecroute import _entry
from vecroute import _layout as layout
from vecroute._entry import pack_plan
from vecroute._speed import LEAST, MOST, SPEED_BYTES

TEXT = (Path(__file__).parents[2] / "docs" / "shared-cache.md").read_text()


def table(heading: str) -> dict[str, tuple[int, int]]:
    """Return the fields of the table under a heading: name to offset and size."""
    part = TEXT.split(f"### {heading}\n")[1].split("\n#")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", part, re.MULTILINE)
    return {name: (int(offset), int(size)) for offset, size, name in rows}


@pytest.mark.parametrize(
    ("heading", "start", "end"),
    [("Geometry", 0, layout.GEOMETRY_BYTES), ("Hot words", layout.HOT_OFFSET, layout.SPEED * layout.WORD + SPEED_BYTES),
     ("Slot", 0, layout.SLOT_BYTES), ("Plan", 0, _entry.PLAN_BYTES)],
)  # fmt: skip
def test_each_table_tells_of_every_byte(heading: str, start: int, end: int) -> None:
    for offset, size in table(heading).values():
        assert offset == start
        start += size
    assert start == end


def test_the_geometry_is_where_it_is_documented() -> None:
    assert [offset for offset, _ in table("Geometry").values()] == [geometry(n) for n in range(len(table("Geometry")))]


def test_hot_words_are_where_they_are_documented() -> None:
    found = {name.upper(): offset for name, (offset, _) in table("Hot words").items()}
    assert found == {name: word(getattr(layout, name)) for name in found}


def test_what_is_believed_of_the_speed_is_documented() -> None:
    assert f"1/{1 / LEAST:.0f} to {MOST:.0f}" in TEXT
    assert METHODS == ("performance", "feature_mapping", "regression", "ppo")  # in whose order the text counts them


def test_a_slots_fields_are_where_they_are_documented() -> None:
    slot = table("Slot")
    names = ["sequence", "fingerprint", "key", "expiry", "kind", "lane", "count", "known", "seconds"]
    assert [slot[name][0] for name in names] == [head(number) for number in range(len(names))]
    assert slot["methods"][0] == layout.METHODS_OFFSET
    assert slot["estimates"] == (layout.ESTIMATES_OFFSET, 8 * 4 * _entry.ESTIMATE)
    assert slot["plans"] == (layout.PLANS_OFFSET, 8 * _entry.PLAN_BYTES)
    assert slot["base"] == (layout.BASE_OFFSET, _entry._BASE.size)
    assert slot["crc"][0] == layout.CRC_OFFSET


def test_a_plans_fields_are_where_they_are_documented() -> None:
    """Each numeric field is changed and changes the documented bytes."""
    before = pack_plan(Plan())
    for name, (offset, size) in table("Plan").items():
        given = getattr(Plan(), name, None)
        if not isinstance(given, int | float):
            continue
        packed = pack_plan(msgspec.structs.replace(Plan(), **{name: given + 1}))
        assert {at for at in range(len(packed)) if packed[at] != before[at]} <= set(range(offset, offset + size))
        code = {1: "<B", 2: "<H", 8: "<d"}[size]
        assert struct.unpack_from(code, packed, offset) == (given + 1,)


@pytest.mark.parametrize(
    ("field", "names"),
    [("methods", METHODS), ("matte", _entry._MATTES), ("mode", _entry._MODES), ("hierarchical", _entry._HIERARCHIES),
     ("colormode", _entry._COLORMODES), ("lane", layout.LANES)],
)  # fmt: skip
def test_names_have_the_documented_numbers(field: str, names: tuple[str, ...]) -> None:
    said = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    assert re.search(rf"\| {field} \| {said}", TEXT)


def test_the_numbers_in_the_text_are_those_of_the_code() -> None:
    own = constants()
    for value in (f"0x{layout.RESIDUE:08X}", "0x9E3779B97F4A7C15", f"{layout.STALE_NS // 10**9} s from now"):
        assert value in TEXT
    for number in (layout.TAGS_OFFSET, layout.CONTEXT_OFFSET, layout.COUNTERS_OFFSET, layout.SLOT_BYTES, own["LINE"]):
        assert re.search(rf"\b{number}\b", TEXT)
