"""What bytes and seconds cost beside an error: by this currency plans are searched for and candidates chosen."""

import math

# Near the limits of the request grid halving the bytes is worth 9 % more error, halving the time 8 %; far below them,
# as on small images, it saves nobody anything.
BYTES_WEIGHT, SECONDS_WEIGHT = 0.2, 0.15
BYTES_FREE, SECONDS_FREE = 4000.0, 0.010


def spent(svg_bytes: float, seconds: float) -> float:
    """Return what bytes and seconds cost beside ln(1 - quality); 0 of either costs nothing."""
    return BYTES_WEIGHT * math.log1p(svg_bytes / BYTES_FREE) + SECONDS_WEIGHT * math.log1p(seconds / SECONDS_FREE)
