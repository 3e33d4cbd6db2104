"""The host's speed as the file holds it: single precision, within bounds, and nothing where nothing changes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecroute._speed import LEAST, MOST, SPEED_BYTES, plain_speed, speed_of, speed_words

SPEEDS = st.tuples(*[st.floats(LEAST, MOST)] * 4)


def stored(speed: tuple[float, ...]) -> bytes:
    return struct.pack("<2Q", *speed_words(speed))


@given(SPEEDS)
def test_what_is_told_is_read(speed: tuple[float, ...]) -> None:
    assert speed_of(stored(plain_speed(speed))) == plain_speed(speed)


@given(st.binary(min_size=SPEED_BYTES, max_size=SPEED_BYTES))
def test_whatever_is_read_can_be_true(data: bytes) -> None:
    assert all(LEAST <= ratio <= MOST for ratio in speed_of(data))


@pytest.mark.parametrize("speed", [(), (1.0, 1.0, 1.0, 1.0), (1.0 + 1e-12, 1.0, 1.0, 1.0)])
def test_what_changes_nothing_is_empty(speed: tuple[float, ...]) -> None:
    assert speed_of(stored(speed)) == ()
    assert plain_speed(speed or (1.0,) * 4) == ()


def test_a_file_that_does_not_tell_changes_nothing() -> None:
    assert speed_of(bytes(SPEED_BYTES)) == ()
