"""A prediction becomes a slot where every number has the place that the layout gives it, and comes back the same."""

import struct
import zlib

import pytest

from router import METHODS, Candidate, Lane, Plan, Prediction
from vecroute._entry import CELLS, pack_body, pack_entry, pack_plan, seal, unpack_entry, unpack_plan
from vecroute._layout import (
    BASE_OFFSET,
    CRC_OFFSET,
    ESTIMATES_OFFSET,
    KIND_PLAN,
    LATE,
    METHODS_OFFSET,
    PLANS_OFFSET,
    RESIDUE,
    SLOT_BYTES,
    SLOT_HEAD,
)

KEY = bytes(range(16))
PLANS = (
    Plan(),
    Plan(upscale=8, matte="bands", palette=256, denoise=3, mode="none", hierarchical="cutout", colormode="binary"),
    Plan(mode="spline", color_precision=1, filter_speckle=16, layer_difference=255, corner_threshold=180),
    Plan(length_threshold=9.875, max_iterations=50, splice_threshold=180, path_precision=8),
)


def _prediction(count: int, *, methods: int = 4, lane: Lane = "onnx", late: bool = False) -> Prediction:
    candidates = tuple(
        Candidate(
            method=METHODS[i % 4], plan=PLANS[i % 4], quality=i + 0.25, quality_error=i + 0.5, seconds=i + 0.75,
            seconds_high=i + 1.25, svg_bytes=i * 1000.0, svg_bytes_high=i * 2000.0,
        )
        for i in range(count)
    )  # fmt: skip
    base = {METHODS[m]: tuple(m + cell / 16 for cell in range(CELLS)) for m in range(methods)}
    return Prediction(candidates=candidates, base=base, lane=lane, late=late, prediction_seconds=0.125)


@pytest.mark.parametrize("count", range(9))
@pytest.mark.parametrize("methods", [0, 1, 4])
def test_what_is_packed_comes_back(count: int, methods: int) -> None:
    prediction = _prediction(count, methods=methods)
    slot = pack_entry(prediction, KEY, fingerprint=7, sequence=4, expiry=9)
    assert unpack_entry(slot, None, "") == prediction


@pytest.mark.parametrize("lane", ["base", "onnx", "torchscript"])
@pytest.mark.parametrize("late", [False, True])
def test_lane_and_lateness_come_back(lane: Lane, late: bool) -> None:
    prediction = _prediction(1, lane=lane, late=late)
    assert unpack_entry(pack_entry(prediction, KEY, fingerprint=7, sequence=4, expiry=9), None, "") == prediction


def test_every_number_has_its_place() -> None:
    slot = pack_entry(_prediction(3, late=True), KEY, fingerprint=7, sequence=4, expiry=9, kind=KIND_PLAN)
    assert len(slot) == SLOT_BYTES
    assert SLOT_HEAD.unpack_from(slot) == (4, 7, KEY, 9, KIND_PLAN, 1 | LATE, 3, 0b1111, 0.125)
    assert slot[METHODS_OFFSET : METHODS_OFFSET + 8] == bytes((0, 1, 2, 0, 0, 0, 0, 0))
    assert struct.unpack_from("<6f", slot, ESTIMATES_OFFSET + 24) == (1.25, 1.5, 1.75, 2.25, 1000.0, 2000.0)
    assert slot[ESTIMATES_OFFSET + 72 : PLANS_OFFSET] == bytes(120)
    assert slot[PLANS_OFFSET + 24 : PLANS_OFFSET + 48] == pack_plan(PLANS[1])
    assert slot[PLANS_OFFSET + 72 : BASE_OFFSET] == bytes(120)
    assert struct.unpack_from("<8f", slot, BASE_OFFSET) == (0, 1, 2, 3, 1 / 16, 1 + 1 / 16, 2 + 1 / 16, 3 + 1 / 16)
    assert slot[BASE_OFFSET + 256 : CRC_OFFSET] == bytes(4)


def test_the_crc_covers_the_sequence() -> None:
    body = pack_body(_prediction(8), KEY, fingerprint=7, expiry=9)
    assert zlib.crc32(seal(body, 4)) == RESIDUE
    assert zlib.crc32(seal(body, 4)[:-4]) != zlib.crc32(seal(body, 6)[:-4])
    assert zlib.crc32(seal(body, 6)[:8] + seal(body, 4)[8:]) != RESIDUE


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_comes_back(plan: Plan) -> None:
    assert unpack_plan(pack_plan(plan)) == plan
