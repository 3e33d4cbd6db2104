"""A prediction as the bytes of one slot and back; every number keeps its place, nothing is parsed but numbers."""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
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
from vecroute._layout import (
    BASE_OFFSET,
    CRC_OFFSET,
    ESTIMATES_OFFSET,
    HASH_BYTES,
    KIND_OFFSET,
    KIND_PREDICTION,
    LANES,
    LATE,
    METHODS_OFFSET,
    PLANS_OFFSET,
    SEQUENCE,
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
MOST_PLANS: Final = 4096  # remembered; about a megabyte
_SUMMARY: Final = struct.Struct("<4Bf")  # the rest of the head: kind, lane, candidates, base methods; seconds
_NUMBERS: Final = struct.Struct("<6f")  # of one candidate
_PACKED_PLAN: Final = struct.Struct(f"{PLAN_BYTES}s")
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
    candidates = prediction.candidates
    slot = bytearray(CRC_OFFSET)
    known = sum(1 << METHODS.index(method) for method in prediction.base)
    lane = LANES.index(prediction.lane) | (LATE if prediction.late else 0)
    # Private bytes, not the mapped slot: pack_into clears its target first, which a reader must never see.
    SLOT_HEAD.pack_into(
        slot, 0, 0, fingerprint, key, expiry, kind, lane, len(candidates), known, prediction.prediction_seconds
    )
    slot[METHODS_OFFSET : METHODS_OFFSET + len(candidates)] = bytes(METHODS.index(c.method) for c in candidates)
    numbers = [n for c in candidates for n in _numbers(c)]
    _ESTIMATES[len(candidates)].pack_into(slot, ESTIMATES_OFFSET, *numbers)
    plans = b"".join(pack_plan(c.plan) for c in candidates)
    slot[PLANS_OFFSET : PLANS_OFFSET + len(plans)] = plans
    nothing = (0.0,) * CELLS
    rows = zip(*(prediction.base.get(method, nothing) for method in METHODS), strict=True)
    _BASE.pack_into(slot, BASE_OFFSET, *(value for row in rows for value in row))
    return bytes(slot[SEQUENCE.size :])


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
    _, lane, count, known, seconds = _SUMMARY.unpack_from(slot, KIND_OFFSET)
    if count > MAX_CANDIDATES:
        raise ValueError(f"{count} candidates are more than {MAX_CANDIDATES}")
    rows = zip(
        slot[METHODS_OFFSET : METHODS_OFFSET + count],
        _PACKED_PLAN.iter_unpack(slot[PLANS_OFFSET : PLANS_OFFSET + count * _PACKED_PLAN.size]),
        _NUMBERS.iter_unpack(slot[ESTIMATES_OFFSET : ESTIMATES_OFFSET + count * _NUMBERS.size]),
        strict=True,
    )
    candidates = [
        Candidate(
            method=METHODS[method],
            plan=_PLANS[plan],
            quality=quality,
            quality_error=error,
            seconds=seconds_,
            seconds_high=high,
            svg_bytes=bytes_,
            svg_bytes_high=bytes_high,
        )
        for method, (plan,), (quality, error, seconds_, high, bytes_, bytes_high) in rows
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


def _numbers(candidate: Candidate) -> tuple[float, ...]:
    return (
        candidate.quality, candidate.quality_error, candidate.seconds, candidate.seconds_high, candidate.svg_bytes,
        candidate.svg_bytes_high,
    )  # fmt: skip
