"""The images asked for last, in numbers: with them a new export can say what it thinks before anybody asks again.

Kept are features and the reduced picture, packed, never the image itself. They are saved beside the socket when the
daemon stops. What cannot be read is left out: nothing depends on it but speed.
"""

import hashlib
import zlib
from collections import OrderedDict
from pathlib import Path

import msgspec
import numpy as np

from daemon import keepsake
from router import Features
from router.pixels import PICTURE_SIDE, Sample
from vecroute._version import __version__

MOST_SAMPLES = 512
# Noise does not pack; then fewer are kept.
MOST_BYTES = 32 * 1024 * 1024
_CHANNELS = 4
# Another version may measure otherwise, and features of other names mean something else.
_MEASURED = " ".join((__version__, *Features.__struct_fields__))
_MAGIC = b"vecroute recent 1 " + hashlib.sha256(_MEASURED.encode()).digest()
_FILE_BYTES = 2 * MOST_BYTES


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """A sample with its picture compressed; `height` and `width` 0 where only features were given."""

    features: Features
    height: int
    width: int
    picture: bytes


def pack(sample: Sample) -> Packed:
    """Return a sample packed; takes a few milliseconds."""
    if sample.picture is None:
        return Packed(sample.features, 0, 0, b"")
    height, width = sample.picture.shape[:2]
    return Packed(sample.features, height, width, zlib.compress(sample.picture.tobytes(), 1))


def unpack(packed: Packed) -> Sample:
    """Return exactly the sample that was packed.

    Raises:
        ValueError: it was none.
    """
    height, width = packed.height, packed.width
    if not packed.picture and not height and not width:
        return Sample(packed.features)
    if not (0 < height <= PICTURE_SIDE and 0 < width <= PICTURE_SIDE):
        raise ValueError(f"a picture of {width}x{height} is no reduced one")
    size = height * width * _CHANNELS
    try:
        pixels = zlib.decompressobj().decompress(packed.picture, size + 1)
    except zlib.error as error:
        raise ValueError(f"a picture cannot be unpacked: {error}") from error
    if len(pixels) != size:
        raise ValueError(f"a picture of {width}x{height} has not {len(pixels)} bytes")
    return Sample(packed.features, np.frombuffer(pixels, np.uint8).reshape(height, width, _CHANNELS))


class Recent:
    """Packed samples by image hash, bounded in number and bytes; the one asked for longest ago makes room."""

    def __init__(self, most: int = MOST_SAMPLES, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._samples: OrderedDict[bytes, Packed] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._samples)

    def touch(self, key: bytes) -> bool:
        """Note that the image was asked for; tell whether it is kept."""
        known = key in self._samples
        if known:
            self._samples.move_to_end(key)
        return known

    def put(self, key: bytes, packed: Packed) -> None:
        self._drop(key)
        self._samples[key] = packed
        self._bytes += len(packed.picture)
        self._shrink(self._most, self._most_bytes)

    def get(self, key: bytes) -> Packed | None:
        return self._samples.get(key)

    def newest_first(self) -> list[bytes]:
        """Return whose samples are kept, the one asked for last in front."""
        return list(reversed(self._samples))

    def halve(self) -> None:
        """Forget the half asked for longest ago."""
        self._shrink(len(self) // 2, self._most_bytes)

    def _shrink(self, most: int, most_bytes: int) -> None:
        while self._samples and (len(self._samples) > most or self._bytes > most_bytes):
            self._drop(next(iter(self._samples)))

    def save(self, path: Path) -> None:
        """Write everything to a file that only we may read, in one go.

        Raises:
            OSError: it cannot be written; what was there before is still there.
        """
        keepsake.save(path, _MAGIC, msgspec.msgpack.encode(list(self._samples.items())))

    def load(self, path: Path) -> None:
        """Read what `save` has written.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not ours, damaged, or of another version.
        """
        body = keepsake.load(path, _MAGIC, _FILE_BYTES)
        for key, packed in msgspec.msgpack.decode(body, type=list[tuple[bytes, Packed]]):
            self.put(key, packed)

    def _drop(self, key: bytes) -> None:
        if (packed := self._samples.pop(key, None)) is not None:
            self._bytes -= len(packed.picture)
