"""Predictions that tell which image and turn they are of, so that a wrong one is seen; imports stay light."""

import hashlib

from router import METHODS, Candidate, ExportInfo, Plan, Policy, Prediction
from vecroute._entry import CELLS

EXPORT = ExportInfo(name="default", version="1", digest="a" * 64, trained_on="logos", metrics={"mae": 0.015625})
OTHER = ExportInfo(name="other", version="2", digest="b" * 64)
POLICY = Policy()


def key_of(number: int) -> bytes:
    """Return the key of an image."""
    return hashlib.blake2b(number.to_bytes(8, "little"), digest_size=16).digest()


def prediction(number: int, turn: int = 0, export: ExportInfo | None = EXPORT, candidates: int = 8) -> Prediction:
    """Return what an export says of an image the n-th time; every number is a float32 and names both."""
    marker = number * 256 + turn + 0.5
    return Prediction(
        candidates=tuple(
            Candidate(
                method=METHODS[index % 4], plan=Plan(upscale=1 + index % 8, palette=number % 256), quality=marker,
                quality_error=marker, seconds=marker, seconds_high=marker, svg_bytes=marker, svg_bytes_high=marker,
            )
            for index in range(candidates)
        ),
        base=dict.fromkeys(METHODS, (marker,) * CELLS),
        lane="onnx",
        prediction_seconds=marker,
        export=export,
    )  # fmt: skip


class Clock:
    """A clock that stands until it is moved; nanoseconds since the boot."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)
