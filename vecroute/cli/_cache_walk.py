"""All slots of a shared cache's file, one after another: what each holds and whether it is whole."""

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from router import Prediction
from router.errors import RouterError
from vecroute._context import find_context
from vecroute._entry import unpack_entry
from vecroute._layout import (
    AGE_BUCKETS,
    CONTEXT,
    CONTEXT_OFFSET,
    EXPIRY,
    FINGERPRINT,
    IDENTITY,
    KIND_OFFSET,
    KIND_PLAN,
    KIND_PREDICTION,
    RESIDUE,
    SLOT_BYTES,
    TAGS_OFFSET,
    WAYS,
    WORD,
)
from vecroute._placement import set_of, tag_of
from vecroute._segment import Segment

# The daemon may be writing the slot right now, which takes microseconds: look again before it counts as damaged.
TRIES: Final = 5
PAUSE: Final = 0.001  # seconds

KINDS: Final = {KIND_PREDICTION: "prediction", KIND_PLAN: "plan"}
State = Literal["live", "expired", "other", "damaged"]


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A slot in use. `other`: its fingerprint is not the one that is valid now; `problem` says what is damaged."""

    number: int
    state: State
    key: bytes
    kind: str
    seconds_left: float
    prediction: Prediction | None = None
    problem: str = ""


class Damage(msgspec.Struct, frozen=True):
    """A slot that is not whole; None: the context that all entries share."""

    slot: int | None
    problem: str

    def __str__(self) -> str:
        return self.problem if self.slot is None else f"slot {self.slot}: {self.problem}"


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """How many slots are in which state; `time_left` counts live ones by the power of two of the seconds they have."""

    slots: int
    live: int
    expired: int
    other: int
    damaged: tuple[Damage, ...]
    time_left: tuple[int, ...]


def walk(segment: Segment, now: int, advance: Callable[[], None] = lambda: None) -> Iterator[Slot]:
    """Yield every slot that is in use; `advance` is called once for each slot, in use or not."""
    for number in range(segment.geometry.entries):
        slot = _examine(segment, number, now)
        if slot is not None:
            yield slot
        advance()


def take_census(segment: Segment, now: int, advance: Callable[[], None] = lambda: None) -> Census:
    """Return how all slots are."""
    counts: Counter[str] = Counter()
    left = [0] * AGE_BUCKETS
    damaged = _damage_of_context(segment)
    for slot in walk(segment, now, advance):
        counts[slot.state] += 1
        if slot.state == "damaged":
            damaged.append(Damage(slot.number, slot.problem))
        if slot.state == "live":
            left[min(int(slot.seconds_left).bit_length(), AGE_BUCKETS - 1)] += 1
    return Census(
        slots=segment.geometry.entries,
        live=counts["live"],
        expired=counts["expired"],
        other=counts["other"],
        damaged=tuple(damaged),
        time_left=tuple(left),
    )


def _examine(segment: Segment, number: int, now: int) -> Slot | None:
    for left in reversed(range(TRIES)):
        tag = segment.words[TAGS_OFFSET // WORD + number]
        if not tag:
            return None
        start = segment.geometry.slots_offset + number * SLOT_BYTES
        slot = _slot(segment, number, tag.to_bytes(WORD, "little"), segment.map[start : start + SLOT_BYTES], now)
        if slot.state != "damaged" or not left:
            return slot
        time.sleep(PAUSE)
    return None


def _slot(segment: Segment, number: int, tag: bytes, copy: bytes, now: int) -> Slot:
    """Return what a slot's copy holds."""
    identity = copy[IDENTITY]
    fingerprint, key = int.from_bytes(identity[:WORD], "little"), identity[WORD:]
    expiry = int.from_bytes(copy[EXPIRY], "little")
    prediction, problem = _content(segment, number, tag, key, copy)
    state: State = "live" if expiry > now else "expired"
    if fingerprint != segment.words[FINGERPRINT]:
        state = "other"
    return Slot(
        number=number,
        state="damaged" if problem else state,
        key=key,
        kind=KINDS.get(copy[KIND_OFFSET], "unknown"),
        seconds_left=(expiry - now) / 1e9,
        prediction=prediction,
        problem=problem,
    )


def _content(segment: Segment, number: int, tag: bytes, key: bytes, copy: bytes) -> tuple[Prediction | None, str]:
    """Return the prediction in a slot's copy, or what is wrong with it."""
    geometry = segment.geometry
    if zlib.crc32(copy) != RESIDUE:
        return None, "its checksum is wrong"
    if set_of(key, geometry.seed, geometry.sets) != number // WAYS:
        return None, "its key belongs to another set"
    if tag_of(key) != tag:
        return None, "its tag is another key's"
    try:
        prediction = unpack_entry(copy, None, "")
    except (ValueError, IndexError, RouterError) as exc:
        return None, f"its content makes no sense ({exc})"
    return prediction, "" if prediction.candidates else "it holds no candidate"


def _damage_of_context(segment: Segment) -> list[Damage]:
    for left in reversed(range(TRIES)):
        fingerprint, generation = segment.words[FINGERPRINT], segment.words[CONTEXT]
        blocks = segment.map[CONTEXT_OFFSET:TAGS_OFFSET]
        if not fingerprint or find_context(blocks, generation, fingerprint) is not None:
            return []
        if left:
            time.sleep(PAUSE)
    return [Damage(None, "what its entries share (export, policy) cannot be read")]
