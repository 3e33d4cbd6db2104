"""The writer's half of `_entry`: a prediction becomes the bytes of a slot in one go."""

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from zlib import crc32

from router import MAX_CANDIDATES, METHODS, Method, Prediction
from vecroute._entry import CELLS, PLAN_BYTES, ROW, pack_plan
from vecroute._layout import BASE_OFFSET, CRC_OFFSET, KIND_PREDICTION, LANES, LATE, SEQUENCE

_TABLE: Final = CELLS * ROW
# All between sequence and CRC: fingerprint, key, expiry; kind, lane, candidates, base methods, seconds; methods;
# estimates; plans; base table. Zeros fill what fewer candidates leave.
_BODY: Final = struct.Struct(
    f"<Q16sQ4Bf{MAX_CANDIDATES}s{6 * MAX_CANDIDATES}f{PLAN_BYTES * MAX_CANDIDATES}s{_TABLE}f"
    f"{CRC_OFFSET - BASE_OFFSET - 4 * _TABLE}x"
)
_METHOD: Final = {method: index for index, method in enumerate(METHODS)}
_LANE: Final = {lane: index for index, lane in enumerate(LANES)}
_NO_CANDIDATE: Final = (0.0,) * 6
_NO_TABLE: Final = (0.0,) * _TABLE

# Images share plans: the preset is one, formulas and trees give few.
_packed = lru_cache(maxsize=4096)(pack_plan)


def pack_body(
    prediction: Prediction, key: bytes, *, fingerprint: int, expiry: int, kind: int = KIND_PREDICTION
) -> bytes:
    """Return a slot's bytes between the sequence and the CRC.

    The export and the reason of a fallback are not in them: those belong to the fingerprint, in a context block.
    """
    candidates, base = prediction.candidates, prediction.base
    numbers: list[float] = []
    for c in candidates:
        numbers += (c.quality, c.quality_error, c.seconds, c.seconds_high, c.svg_bytes, c.svg_bytes_high)
    numbers += _NO_CANDIDATE * (MAX_CANDIDATES - len(candidates))
    numbers += _table(base) if base else _NO_TABLE
    return _BODY.pack(
        fingerprint, key, expiry, kind, _LANE[prediction.lane] | (LATE if prediction.late else 0), len(candidates),
        sum([1 << _METHOD[method] for method in base]), prediction.prediction_seconds,
        bytes([_METHOD[c.method] for c in candidates]), *numbers[: 6 * MAX_CANDIDATES],
        b"".join([_packed(c.plan) for c in candidates]), *numbers[6 * MAX_CANDIDATES :],
    )  # fmt: skip


def seal(body: bytes, sequence: int) -> bytes:
    """Return a whole slot: an even sequence in front, the CRC of all at the end."""
    covered = sequence.to_bytes(SEQUENCE.size, "little") + body
    return covered + crc32(covered).to_bytes(4, "little")


def _table(base: Mapping[Method, tuple[float, ...]]) -> list[float]:
    table = [0.0] * _TABLE
    for method, cells in base.items():
        table[_METHOD[method] :: ROW] = cells
    return table
