"""What belongs to a fingerprint rather than to an image: the export, the policy and why base routing serves.

Blocks are written in turn: the block of a generation is the generation modulo `CONTEXTS`. So the block in use is
never overwritten, and of two blocks with one fingerprint (a new policy on the same export) the later one is known.
"""

import zlib
from typing import Final

import msgspec

from router import ExportInfo, Policy
from router.errors import RouterError
from vecroute._layout import CONTEXT_BYTES, CONTEXT_HEAD, CONTEXTS
from vecroute.errors import VecrouteError

MOST_TEXT: Final = CONTEXT_BYTES - CONTEXT_HEAD.size
_CHECKED: Final = 12  # fingerprint and length: what of the head the CRC covers, before the text


class ContextTooLarge(VecrouteError):
    """An export says more about itself than a context block holds."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the export's description takes {size} bytes of {MOST_TEXT} in the shared cache; give it fewer metrics"
        )
        self.size = size


class SharedContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all entries of a fingerprint have in common, and what decides among their candidates."""

    export: ExportInfo | None = None
    policy: Policy = Policy()
    reason: str = ""


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(SharedContext)


def block_of(generation: int) -> int:
    """Return which block a generation (the header's context word) is written to."""
    return generation % CONTEXTS


def pack_context(context: SharedContext, fingerprint: int) -> bytes:
    """Return the bytes of a context block, to be put at its start.

    Raises:
        ContextTooLarge: the text does not fit.
    """
    text = _ENCODER.encode(context)
    if len(text) > MOST_TEXT:
        raise ContextTooLarge(len(text))
    head = CONTEXT_HEAD.pack(fingerprint, len(text), 0)[:_CHECKED]
    return head + zlib.crc32(head + text).to_bytes(4, "little") + text


def unpack_context(block: bytes, fingerprint: int) -> SharedContext | None:
    """Return what a block says, or None: it is another fingerprint's, or was torn or damaged."""
    found, size, crc = CONTEXT_HEAD.unpack_from(block)
    text = block[CONTEXT_HEAD.size : CONTEXT_HEAD.size + size]
    if found != fingerprint or len(text) != size or zlib.crc32(block[:_CHECKED] + text) != crc:
        return None
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, RouterError, UnicodeDecodeError, RecursionError):
        return None  # whole, but written by a version that says other things: its entries are not for us


def find_context(blocks: bytes, generation: int, fingerprint: int) -> SharedContext | None:
    """Return the newest context of a fingerprint among all blocks: amid a swap that is the last but one."""
    for age in range(CONTEXTS):
        start = block_of(generation - age) * CONTEXT_BYTES
        context = unpack_context(blocks[start : start + CONTEXT_BYTES], fingerprint)
        if context is not None:
            return context
    return None
