"""A prediction as the bytes of one slot and back; every number keeps its place, nothing is parsed but numbers."""

import hashlib
import struct
import zlib
from functools import lru_cache
from typing import Final, get_args

from router import (
    GRID_BUDGETS,
    GRID_TARGETS,
    MAX_CANDIDATES,
    METHODS,
    Candidate,
    ExportInfo,
    Lane,
    Method,
    Plan,
    Prediction,
)
from router._plan import Matte, TraceMode
from vecroute._layout import (
    BASE_OFFSET,
    CRC_OFFSET,
    ESTIMATES_OFFSET,
    HASH_BYTES,
    KIND_PREDICTION,
    LANES,
    LATE,
    METHODS_OFFSET,
    PLANS_OFFSET,
    SLOT_HEAD,
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
_ESTIMATES: Final = tuple(struct.Struct(f"<{6 * count}f") for count in range(MAX_CANDIDATES + 1))
_BASE: Final = struct.Struct(f"<{CELLS * ROW}f")


def pack_plan(plan: Plan) -> bytes:
    """Return a plan as 24 bytes."""
    return _PLAN.pack(
        plan.upscale, _MATTES.index(plan.matte), plan.denoise, _MODES.index(plan.mode),
        _HIERARCHIES.index(plan.hierarchical), _COLORMODES.index(plan.colormode), plan.color_precision,
        plan.filter_speckle, plan.layer_difference, plan.corner_threshold, plan.max_iterations, plan.splice_threshold,
        plan.path_precision, plan.palette, plan.length_threshold,
    )  # fmt: skip


# Images share plans: the preset is one, formulas and trees give few. Building one anew takes twenty times as long.
@lru_cache(maxsize=4096)
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


def pack_entry(
    prediction: Prediction, key: bytes, *, fingerprint: int, sequence: int, expiry: int, kind: int = KIND_PREDICTION
) -> bytes:
    """Return the slot's bytes, with `sequence` (even) in front and the CRC at the end.

    The export and the reason of a fallback are not in them: those belong to the fingerprint, in a context block.
    Numbers become float32, which the models' answers are already.
    """
    candidates = prediction.candidates
    slot = bytearray(CRC_OFFSET)
    known = sum(1 << METHODS.index(method) for method in prediction.base)
    lane = LANES.index(prediction.lane) | (LATE if prediction.late else 0)
    # Private bytes, not the mapped slot: pack_into clears its target first, which a reader must never see.
    SLOT_HEAD.pack_into(
        slot, 0, sequence, fingerprint, key, expiry, kind, lane, len(candidates), known, prediction.prediction_seconds
    )
    slot[METHODS_OFFSET : METHODS_OFFSET + len(candidates)] = bytes(METHODS.index(c.method) for c in candidates)
    numbers = [n for c in candidates for n in _numbers(c)]
    _ESTIMATES[len(candidates)].pack_into(slot, ESTIMATES_OFFSET, *numbers)
    plans = b"".join(pack_plan(c.plan) for c in candidates)
    slot[PLANS_OFFSET : PLANS_OFFSET + len(plans)] = plans
    nothing = (0.0,) * CELLS
    rows = zip(*(prediction.base.get(method, nothing) for method in METHODS), strict=True)
    _BASE.pack_into(slot, BASE_OFFSET, *(value for row in rows for value in row))
    return bytes(slot) + zlib.crc32(slot).to_bytes(4, "little")


def unpack_entry(slot: bytes, export: ExportInfo | None, reason: str) -> Prediction:
    """Return the prediction that a slot's checked copy holds; export and reason come from the context block."""
    lane, count, known = slot[41], slot[42], slot[43]
    numbers = _ESTIMATES[count].unpack_from(slot, ESTIMATES_OFFSET)
    at = PLANS_OFFSET
    candidates = []
    for index in range(count):
        quality, error, seconds, seconds_high, size, size_high = numbers[6 * index : 6 * index + 6]
        candidates.append(
            Candidate(
                method=METHODS[slot[METHODS_OFFSET + index]],
                plan=unpack_plan(slot[at : at + PLAN_BYTES]),
                quality=quality,
                quality_error=error,
                seconds=seconds,
                seconds_high=seconds_high,
                svg_bytes=size,
                svg_bytes_high=size_high,
            )
        )
        at += PLAN_BYTES
    base: dict[Method, tuple[float, ...]] = {}
    if known:
        table = _BASE.unpack_from(slot, BASE_OFFSET)
        base = {method: table[row::ROW] for row, method in enumerate(METHODS) if known >> row & 1}
    name: Lane = LANES[lane & ~LATE]
    return Prediction(
        candidates=tuple(candidates),
        base=base,
        lane=name,
        late=bool(lane & LATE),
        prediction_seconds=SLOT_HEAD.unpack_from(slot)[-1],
        export=export,
        fallback_reason=reason,
    )


def _numbers(candidate: Candidate) -> tuple[float, ...]:
    return (
        candidate.quality, candidate.quality_error, candidate.seconds, candidate.seconds_high, candidate.svg_bytes,
        candidate.svg_bytes_high,
    )  # fmt: skip
