"""Predictions survive a slot, whatever they hold; what is no prediction is refused by name."""

import struct
import zlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import METHODS, PLAN_BOUNDS, Candidate, Constraints, Lane, Method, Plan, Prediction, decide
from router._plan import Matte, TraceMode
from router._prediction import BASE_QUALITY, BASE_QUALITY_ERROR
from router.errors import InvalidPlan
from tests.vecroute.builders import EXPORT
from tests.vecroute.segments import prediction
from vecroute import _entry
from vecroute._entry import CELLS, pack_body, pack_entry, pack_plan, plan_key, seal, unpack_entry, unpack_plan
from vecroute._layout import CRC_OFFSET, KIND_OFFSET, KIND_PLAN, PLANS_OFFSET, RESIDUE, SEQUENCE, SLOT_BYTES, SLOT_HEAD

KEY = bytes(range(16))


def whole(name: str) -> st.SearchStrategy[int]:
    low, high = PLAN_BOUNDS[name]
    return st.integers(int(low), int(high))


PLANS = st.builds(
    Plan,
    matte=st.sampled_from(get_args(Matte)),
    mode=st.sampled_from(get_args(TraceMode)),
    hierarchical=st.sampled_from(["stacked", "cutout"]),
    colormode=st.sampled_from(["color", "binary"]),
    length_threshold=st.floats(*PLAN_BOUNDS["length_threshold"]),
    **{name: whole(name) for name in PLAN_BOUNDS if name != "length_threshold"},
)
SINGLE = st.floats(0, 2.0**20, width=32)
CANDIDATES = st.builds(
    Candidate,
    method=st.sampled_from(METHODS),
    plan=PLANS,
    **dict.fromkeys(("quality", "quality_error", "seconds", "seconds_high", "svg_bytes", "svg_bytes_high"), SINGLE),
)
ROWS = st.builds(lambda first, last: (first, *(0.5,) * (CELLS - 2), last), SINGLE, SINGLE)
TABLES = st.dictionaries(st.sampled_from(METHODS), ROWS)


def promised(said: Prediction) -> Prediction:
    """Return the prediction as it is on its lane: without a predictor quality is a constant."""
    if said.lane != "base":
        return said
    known = {"quality": BASE_QUALITY, "quality_error": BASE_QUALITY_ERROR}
    return msgspec.structs.replace(said, candidates=tuple(msgspec.structs.replace(c, **known) for c in said.candidates))


PREDICTIONS = st.builds(
    Prediction,
    candidates=st.lists(CANDIDATES, max_size=8).map(tuple),
    base=TABLES,
    lane=st.sampled_from(get_args(Lane)),
    late=st.booleans(),
    prediction_seconds=SINGLE,
    export=st.just(EXPORT),
    fallback_reason=st.just("why"),
).map(promised)


@given(PLANS)
def test_a_plan_survives_its_bytes(plan: Plan) -> None:
    assert unpack_plan(pack_plan(plan)) == plan


@given(PREDICTIONS, st.integers(0, 2**63 - 1).map(lambda n: 2 * n), st.integers(0, 2**64 - 1))
def test_a_prediction_survives_its_slot(said: Prediction, sequence: int, number: int) -> None:
    slot = pack_entry(said, KEY, fingerprint=number, sequence=sequence, expiry=number, kind=KIND_PLAN)
    assert len(slot) == SLOT_BYTES
    assert zlib.crc32(slot) == RESIDUE
    assert SLOT_HEAD.unpack_from(slot)[:5] == (sequence, number, KEY, number, KIND_PLAN)
    assert unpack_entry(slot, EXPORT, "why") == said


@given(PREDICTIONS.filter(lambda said: said.candidates), st.sampled_from(["weighted", "constrained"]))
def test_what_is_unpacked_is_decided_alike(said: Prediction, policy: str) -> None:
    """The base table is unpacked late and is no dict: nobody may notice."""
    slot = pack_entry(said, KEY, fingerprint=1, sequence=2, expiry=3)
    wanted = msgspec.convert({"policy": policy}, Constraints)
    assert decide(unpack_entry(slot, EXPORT, "why"), wanted) == decide(said, wanted)


def test_numbers_of_double_precision_become_single() -> None:
    slot = pack_entry(prediction(0.1), KEY, fingerprint=1, sequence=2, expiry=3)
    (single,) = struct.unpack("<f", struct.pack("<f", 0.1))
    assert unpack_entry(slot, EXPORT, "").candidates[0].quality == single


def test_a_body_is_sealed_with_any_sequence() -> None:
    body = pack_body(prediction(), KEY, fingerprint=1, expiry=3)
    assert len(body) == CRC_OFFSET - SEQUENCE.size
    assert seal(body, 8) == pack_entry(prediction(), KEY, fingerprint=1, sequence=8, expiry=3)
    assert seal(body, 8)[: SEQUENCE.size] == SEQUENCE.pack(8)
    assert seal(body, 10)[-4:] != seal(body, 8)[-4:]


def test_a_table_is_a_mapping_like_the_dict_it_was() -> None:
    rows: dict[Method, tuple[float, ...]] = {"regression": (0.25,) * CELLS, "performance": (0.75,) * CELLS}
    said = msgspec.structs.replace(prediction(), base=rows)
    base = unpack_entry(pack_entry(said, KEY, fingerprint=1, sequence=2, expiry=3), EXPORT, "").base
    assert dict(base) == rows == base
    assert list(base) == ["performance", "regression"]
    assert len(base) == 2
    assert repr(base) == repr(dict(base))
    assert "ppo" not in base
    with pytest.raises(KeyError, match="ppo"):
        base["ppo"]
    with pytest.raises(KeyError, match="magic"):
        base["magic"]  # type: ignore[index]


def damaged(at: int, value: int) -> bytes:
    slot = bytearray(pack_entry(prediction(), KEY, fingerprint=1, sequence=2, expiry=3))
    slot[at] = value
    return bytes(slot)


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [
        pytest.param(KIND_OFFSET + 2, 9, ValueError, id="nine candidates"),
        pytest.param(KIND_OFFSET + 3, 16, ValueError, id="table of a fifth method"),
        pytest.param(48, 4, IndexError, id="fifth method"),
        pytest.param(KIND_OFFSET + 1, 3, IndexError, id="fourth lane"),
        pytest.param(PLANS_OFFSET, 9, InvalidPlan, id="plan out of bounds"),
        pytest.param(PLANS_OFFSET + 1, 3, IndexError, id="fourth matte"),
    ],
)
def test_what_no_writer_of_this_version_wrote_is_refused(at: int, value: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        unpack_entry(damaged(at, value), EXPORT, "")


def test_plans_are_shared_and_the_memory_for_them_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_entry, "MOST_PLANS", 2)
    monkeypatch.setattr(_entry, "_PLANS", _entry._Plans())
    slot = pack_entry(prediction(candidates=1), KEY, fingerprint=1, sequence=2, expiry=3)
    first, second = (unpack_entry(slot, EXPORT, "").candidates[0].plan for _ in range(2))
    assert first is second
    unpack_entry(pack_entry(prediction(candidates=8), KEY, fingerprint=1, sequence=2, expiry=3), EXPORT, "")
    assert len(_entry._PLANS) <= 2


def test_each_method_and_plan_on_an_image_has_its_own_key() -> None:
    plans = (Plan(), Plan(upscale=2))
    keys = {plan_key(image, method, plan) for image in (KEY, bytes(16)) for method in METHODS for plan in plans}
    assert len(keys) == 2 * len(METHODS) * 2
    assert all(len(key) == 16 for key in keys)
    assert plan_key(KEY, "ppo", Plan()) == plan_key(KEY, "ppo", Plan())
