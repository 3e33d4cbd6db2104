"""Numbers from names, the same on every run and machine: what decides which drawing lies on which side of a split."""

import hashlib


def hash_of(text: str) -> int:
    """Return a 64-bit number."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
