"""The digest changes with anything that could change an answer, and with nothing else."""

import hashlib
import io

from models._digest import CHUNK_BYTES, copy_hashed, digest_of


def test_the_order_of_files_does_not_matter() -> None:
    assert digest_of(b"{}", {"a": "1", "b": "2"}) == digest_of(b"{}", {"b": "2", "a": "1"})


def test_every_part_of_an_export_counts() -> None:
    digests = {
        digest_of(b"{}", {"a": "1"}),
        digest_of(b"{ }", {"a": "1"}),
        digest_of(b"{}", {"a": "2"}),
        digest_of(b"{}", {"b": "1"}),
        digest_of(b"{}", {}),
    }
    assert len(digests) == 5
    assert all(len(digest) == 64 for digest in digests)


def test_the_hash_is_of_the_bytes_that_were_copied() -> None:
    data = bytes(range(256)) * (CHUNK_BYTES // 256) + b"tail"
    target = io.BytesIO()
    assert copy_hashed(io.BytesIO(data), target) == (hashlib.sha256(data).hexdigest(), len(data))
    assert target.getvalue() == data
