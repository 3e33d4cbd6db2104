"""The number that says which entries of the shared cache are valid: it changes with everything they depend on."""

import hashlib
from typing import Final

from router import FEATURE_NAMES, ExportInfo, Lane
from vecroute._layout import ABI_MAJOR

_SCHEMA: Final = f"{ABI_MAJOR} {' '.join(FEATURE_NAMES)}"


def fingerprint_of(export: ExportInfo | None, lane: Lane, epoch: int) -> int:
    """Return the fingerprint of an export served by a lane after so many flushes; never 0, which means none."""
    text = "\0".join((export.digest if export else "", lane, _SCHEMA, str(epoch)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") or 1
