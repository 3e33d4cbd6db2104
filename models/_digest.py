"""An export's digest is its identity: SHA-256 over the manifest's bytes and the hashes of its files."""

import hashlib
from collections.abc import Mapping
from typing import BinaryIO

CHUNK_BYTES = 1 << 20  # large enough that hashing releases the interpreter lock, small enough to stay in cache


def digest_of(manifest: bytes, hashes: Mapping[str, str]) -> str:
    """Return the digest as 64 hex digits; the order of the files does not matter."""
    digest = hashlib.sha256(len(manifest).to_bytes(8, "big") + manifest)
    for name in sorted(hashes):
        digest.update(f"{name}\0{hashes[name]}\n".encode())
    return digest.hexdigest()


def copy_hashed(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    """Copy `source` into `target` and return the SHA-256 and size of what was copied."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
