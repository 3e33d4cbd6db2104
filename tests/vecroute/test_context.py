"""Context blocks: which is the current one, and what is not whole is not believed."""

import zlib

import msgspec
import pytest

from router import ExportInfo, Policy
from tests.vecroute.builders import EXPORT
from vecroute._context import (
    MOST_TEXT,
    ContextTooLarge,
    SharedContext,
    block_of,
    find_context,
    pack_context,
    unpack_context,
)
from vecroute._layout import CONTEXT_BYTES, CONTEXT_HEAD, CONTEXTS

CONTEXT = SharedContext(export=EXPORT, policy=Policy(name="weighted", caution=0.5), reason="été")
OTHER = SharedContext(reason="no export")
A, B = 0xAAAA, 0xBBBB


def blocks(*written: bytes) -> bytes:
    return b"".join(block.ljust(CONTEXT_BYTES, b"\0") for block in written).ljust(CONTEXTS * CONTEXT_BYTES, b"\0")


@pytest.mark.parametrize("context", [CONTEXT, OTHER, SharedContext()])
def test_a_context_survives_its_block(context: SharedContext) -> None:
    assert unpack_context(blocks(pack_context(context, A))[:CONTEXT_BYTES], A) == context


def test_a_block_answers_for_its_own_fingerprint_only() -> None:
    assert unpack_context(pack_context(CONTEXT, A), B) is None
    assert unpack_context(bytes(CONTEXT_BYTES), 0) is None


@pytest.mark.parametrize("at", [0, 8, 12, CONTEXT_HEAD.size, 100])
def test_a_changed_byte_is_seen(at: int) -> None:
    block = bytearray(pack_context(CONTEXT, A))
    block[at] ^= 1
    assert unpack_context(bytes(block), A) is None


def test_a_block_that_was_half_written_is_not_believed() -> None:
    old, new = blocks(pack_context(CONTEXT, A)), pack_context(SharedContext(export=EXPORT, reason="new"), A)
    for written in range(1, len(new)):
        assert unpack_context(new[:written] + old[written:CONTEXT_BYTES], A) in (CONTEXT, None)


def sealed(text: bytes) -> bytes:
    """Return a whole block with any text."""
    block = pack_context(SharedContext(reason="x" * 2000), A)
    head = block[:8] + len(text).to_bytes(4, "little")
    return head + zlib.crc32(head + text).to_bytes(4, "little") + text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"export": 5}',
        b'{"policy": {"caution": -1}}',
        b'{"policy": {"name": "x"}}',
        b"[" * 3000,
    ],
)
def test_whole_but_senseless_text_is_no_context(text: bytes) -> None:
    assert unpack_context(sealed(text), A) is None


def test_unknown_fields_are_a_newer_writers_business() -> None:
    assert unpack_context(sealed(b'{"reason": "r", "colour": 1}'), A) == SharedContext(reason="r")


def test_the_newest_block_of_a_fingerprint_is_the_one() -> None:
    """A new policy on the same export: two blocks answer, the generation says which is later."""
    both = blocks(pack_context(OTHER, A), pack_context(CONTEXT, A))
    assert find_context(both, 1, A) == CONTEXT
    assert find_context(both, 4, A) == OTHER


def test_amid_a_swap_the_fingerprint_in_force_finds_its_own_block() -> None:
    both = blocks(pack_context(CONTEXT, A), pack_context(OTHER, B))
    assert find_context(both, 1, A) == CONTEXT
    assert find_context(both, 1, B) == OTHER
    assert find_context(both, 1, 0xCCCC) is None


def test_blocks_are_used_in_turn() -> None:
    assert [block_of(generation) for generation in range(5)] == [0, 1, 2, 3, 0]
    assert block_of(-1) == CONTEXTS - 1


def test_what_does_not_fit_is_refused_with_its_size() -> None:
    metrics = {f"metric {number}": 0.5 for number in range(300)}
    large = SharedContext(export=ExportInfo(name="n", version="1", digest="d", metrics=metrics))
    with pytest.raises(ContextTooLarge, match="fewer metrics") as caught:
        pack_context(large, A)
    assert caught.value.size == len(msgspec.json.encode(large)) > MOST_TEXT
