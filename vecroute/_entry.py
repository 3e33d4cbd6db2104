"""A prediction as the bytes of one slot and back; every number keeps its place, nothing is parsed but numbers."""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, cast, get_args

from router import (
    GRID_BUDGETS,
    GRID_TARGETS,
    MAX_CANDIDATES,
    METHODS,
    Candidate,
    ExportInfo,
    Method,
    Plan,
    Prediction,
)
from router._plan import Matte, TraceMode
from router._prediction import BASE_QUALITY, BASE_QUALITY_ERROR
from vecroute._layout import (
    BASE_OFFSET,
    CRC_OFFSET,
    HASH_BYTES,
    KIND_OFFSET,
    KIND_PREDICTION,
    LANES,
    LATE,
    SEQUENCE,
)

CELLS: Final = len(GRID_TARGETS) * len(GRID_BUDGETS)
ROW: Final = 4  # methods of a base row, in the order of METHODS

_MATTES: Final = get_args(Matte)
_MODES: Final = get_args(TraceMode)
_HIERARCHIES: Final = ("stacked", "cutout")
_COLORMODES: Final = ("color", "binary")

# upscale, matte, denoise, mode, hierarchical, colormode, color_precision, filter_speckle, layer_difference,
# corner_threshold, max_iterations, splice_threshold, path_precision; palette; length_threshold.
_PLAN: Final = struct.Struct("<13BxHd")
PLAN_BYTES: Final = _PLAN.size
MOST_PLANS: Final = 4096  # remembered; about a megabyte
ESTIMATE: Final = 6  # numbers of a candidate
_COUNT_OFFSET: Final = KIND_OFFSET + 2
_FIRST: Final = 5  # kind, lane, candidates, base methods and seconds come before the methods
# From the kind to the plans of so many candidates, in one go: methods one by one, then all numbers, then packed plans.
_FROM_KIND: Final = tuple(
    struct.Struct(
        f"<4Bf{count}B{MAX_CANDIDATES - count}x{ESTIMATE * count}f{4 * ESTIMATE * (MAX_CANDIDATES - count)}x"
        + f"{PLAN_BYTES}s" * count
    )
    for count in range(MAX_CANDIDATES + 1)
)
_BASE: Final = struct.Struct(f"<{CELLS * ROW}f")
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


def pack_plan(plan: Plan) -> bytes:
    """Return a plan as 24 bytes."""
    return _PLAN.pack(
        plan.upscale, _MATTES.index(plan.matte), plan.denoise, _MODES.index(plan.mode),
        _HIERARCHIES.index(plan.hierarchical), _COLORMODES.index(plan.colormode), plan.color_precision,
        plan.filter_speckle, plan.layer_difference, plan.corner_threshold, plan.max_iterations, plan.splice_threshold,
        plan.path_precision, plan.palette, plan.length_threshold,
    )  # fmt: skip


# As in `_Plans`: images share them.
_packed: Final = lru_cache(maxsize=MOST_PLANS)(pack_plan)


def unpack_plan(packed: bytes) -> Plan:
    """Return the plan that 24 bytes hold."""
    (
        upscale, matte, denoise, mode, hierarchical, colormode, color_precision, filter_speckle, layer_difference,
        corner_threshold, max_iterations, splice_threshold, path_precision, palette, length_threshold,
    ) = _PLAN.unpack(packed)  # fmt: skip
    return Plan(
        upscale=upscale, matte=_MATTES[matte], palette=palette, denoise=denoise, mode=_MODES[mode],
        hierarchical=_HIERARCHIES[hierarchical], colormode=_COLORMODES[colormode], color_precision=color_precision,
        filter_speckle=filter_speckle, layer_difference=layer_difference, corner_threshold=corner_threshold,
        length_threshold=length_threshold, max_iterations=max_iterations, splice_threshold=splice_threshold,
        path_precision=path_precision,
    )  # fmt: skip


def plan_key(image_hash: bytes, method: Method, plan: Plan) -> bytes:
    """Return the key of what is predicted of one plan on an image; kind `KIND_PLAN` goes with it."""
    named = image_hash + method.encode() + pack_plan(plan)
    return hashlib.blake2b(named, digest_size=HASH_BYTES).digest()


def pack_body(
    prediction: Prediction, key: bytes, *, fingerprint: int, expiry: int, kind: int = KIND_PREDICTION
) -> bytes:
    """Return a slot's bytes between its sequence word and its CRC.

    The export and the reason of a fallback are not in them: those belong to the fingerprint, in a context block.
    Numbers become float32, which the models' answers are already.
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
    """Return the whole slot: the body with `sequence` (even) in front and the CRC of both behind."""
    slot = SEQUENCE.pack(sequence) + body
    return slot + zlib.crc32(slot).to_bytes(4, "little")


def pack_entry(
    prediction: Prediction, key: bytes, *, fingerprint: int, sequence: int, expiry: int, kind: int = KIND_PREDICTION
) -> bytes:
    """Return the whole slot of a prediction: `pack_body`, sealed."""
    return seal(pack_body(prediction, key, fingerprint=fingerprint, expiry=expiry, kind=kind), sequence)


def unpack_entry(slot: bytes, export: ExportInfo | None, reason: str) -> Prediction:
    """Return the prediction that a slot's checked copy holds; export and reason come from the context block.

    Raises:
        ValueError: whole, but not what this version writes: a plan out of bounds (InvalidPlan), too many candidates.
        IndexError: likewise a name that does not exist.
    """
    count = slot[_COUNT_OFFSET]
    if count > MAX_CANDIDATES:
        raise ValueError(f"{count} candidates are more than {MAX_CANDIDATES}")
    values = _FROM_KIND[count].unpack_from(slot, KIND_OFFSET)
    _, lane, _, known, seconds = values[:_FIRST]
    if known >> len(METHODS):
        raise ValueError(f"more than {len(METHODS)} methods")
    estimates, plans = _FIRST + count, _FIRST + count + ESTIMATE * count
    numbers = values[estimates:plans]
    number = iter(numbers if lane & ~LATE else _promised(numbers))
    candidates = [
        Candidate(
            method=METHODS[method],
            plan=_PLANS[plan],
            quality=quality,
            quality_error=error,
            seconds=seconds_,
            seconds_high=high,
            svg_bytes=size,
            svg_bytes_high=size_high,
        )
        for method, plan, quality, error, seconds_, high, size, size_high in zip(
            values[_FIRST:estimates], values[plans:], number, number, number, number, number, number, strict=False
        )
    ]
    return Prediction(
        candidates=tuple(candidates),
        base=cast(dict[Method, tuple[float, ...]], BaseTable(slot, known)) if known else {},
        lane=LANES[lane & ~LATE],
        late=lane >= LATE,
        prediction_seconds=seconds,
        export=export,
        fallback_reason=reason,
    )


def _promised(numbers: tuple[float, ...]) -> list[float]:
    """Return estimates as base routing makes them: its qualities are constants, which single precision would miss."""
    promised = list(numbers)
    promised[::ESTIMATE] = [BASE_QUALITY] * (len(numbers) // ESTIMATE)
    promised[1::ESTIMATE] = [BASE_QUALITY_ERROR] * (len(numbers) // ESTIMATE)
    return promised


class BaseTable(Mapping[Method, tuple[float, ...]]):
    """The forest's table in a slot's copy, unpacked when it is asked for: most decisions never are."""

    __slots__ = ("_known", "_slot")

    def __init__(self, slot: bytes, known: int) -> None:
        self._slot, self._known = slot, known

    def __getitem__(self, method: Method) -> tuple[float, ...]:
        row = METHODS.index(method) if method in METHODS else ROW
        if not self._known >> row & 1:
            raise KeyError(method)
        return _BASE.unpack_from(self._slot, BASE_OFFSET)[row::ROW]

    def __iter__(self) -> Iterator[Method]:
        return (method for row, method in enumerate(METHODS) if self._known >> row & 1)

    def __len__(self) -> int:
        return self._known.bit_count()

    def __repr__(self) -> str:
        return repr(dict(self))


class _Plans(dict[bytes, Plan]):
    """Plans by their bytes: images share them, and building one anew takes twenty times as long as finding it."""

    def __missing__(self, packed: bytes) -> Plan:
        if len(self) >= MOST_PLANS:
            self.clear()
        plan = self[packed] = unpack_plan(packed)
        return plan


_PLANS: Final = _Plans()


def _table(base: Mapping[Method, tuple[float, ...]]) -> list[float]:
    table = [0.0] * _TABLE
    for method, cells in base.items():
        table[_METHOD[method] :: ROW] = cells
    return table
