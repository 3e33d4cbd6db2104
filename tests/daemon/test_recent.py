"""What was asked last: exactly the same samples after packing and after a file, bounded, and never a crash."""

from pathlib import Path

import numpy as np
import pytest

from daemon.recent import Packed, Recent, pack, unpack
from router import Features
from router.pixels import Sample, sample
from tests.daemon.pictures import noise, png

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def _same(one: Sample, other: Sample) -> bool:
    assert one.picture is not None
    assert other.picture is not None
    return one.features == other.features and bool(np.array_equal(one.picture, other.picture))


@pytest.mark.parametrize("data", [png((300, 200)), png((1, 9)), noise(64)], ids=["large", "thin", "noise"])
def test_a_packed_sample_is_exactly_the_same(data: bytes) -> None:
    one = sample(data)
    assert _same(unpack(pack(one)), one)


def test_features_alone_need_no_picture() -> None:
    assert unpack(pack(Sample(Features(entropy=1.0)))) == Sample(Features(entropy=1.0))


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(Packed(Features(), 9, 9, b"none"), id="not compressed"),
        pytest.param(Packed(Features(), 1, 1, pack(sample(png())).picture), id="too many bytes"),
        pytest.param(Packed(Features(), 200, 200, pack(sample(png())).picture), id="too few bytes"),
        pytest.param(Packed(Features(), 1 << 40, 1, b"x"), id="a side of terabytes"),
        pytest.param(Packed(Features(), -1, -1, b"x"), id="negative sides"),
        pytest.param(Packed(Features(), 0, 0, b"x"), id="no sides"),
    ],
)
def test_what_is_no_packed_sample_is_refused(packed: Packed) -> None:
    with pytest.raises(ValueError, match="a picture"):
        unpack(packed)


def test_the_one_asked_for_longest_ago_makes_room() -> None:
    recent, packed = Recent(2), pack(sample(png()))
    recent.put(A, packed)
    recent.put(B, packed)
    assert recent.touch(A)
    recent.put(C, packed)
    assert not recent.touch(B)
    assert recent.newest_first() == [C, A]
    recent.halve()
    assert recent.newest_first() == [C]


def test_bytes_are_bounded_too() -> None:
    packed = pack(sample(noise(64)))
    recent = Recent(most_bytes=2 * len(packed.picture))
    for key in (A, B, C, C):
        recent.put(key, packed)
    assert recent.newest_first() == [C, B]


def test_a_file_keeps_order_and_samples(tmp_path: Path) -> None:
    recent, again = Recent(), Recent()
    one, other = sample(png((10, 10))), sample(png((20, 20)))
    recent.put(A, pack(one))
    recent.put(B, pack(other))
    recent.save(tmp_path / "recent")
    again.load(tmp_path / "recent")
    assert again.newest_first() == [B, A]
    packed = again.get(A)
    assert packed is not None
    assert _same(unpack(packed), one)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    recent = Recent()
    recent.save(tmp_path / "recent")
    other = (tmp_path / "recent").read_bytes().replace(b"recent 1", b"recent 0", 1)
    (tmp_path / "recent").write_bytes(other)
    with pytest.raises(ValueError, match="another version"):
        recent.load(tmp_path / "recent")
