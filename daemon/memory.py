"""What the allocator does with memory that was freed: kept for the next image, or given back to the host.

Measuring an image takes a dozen arrays of a megabyte. glibc gives each of them back at once, and the kernel then zeroes
their pages again for the next image, which takes longer than the arithmetic: 14 ms instead of 10 for one of 512 x 512.
"""

import ctypes
from typing import Final

# Numbers of <malloc.h>.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3

# Bytes. Arrays up to this size come from the heap; larger ones belong to images so large that zeroing hardly counts.
LARGEST_FROM_HEAP: Final = 4 * 2**20
# Free memory at the top of a heap that is kept; each thread that measures has a heap of its own.
KEPT: Final = 32 * 2**20


def keep_freed_memory() -> bool:
    """Have the allocator keep what images leave behind; tell whether it does (only glibc's can)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_FROM_HEAP)) and bool(mallopt(_TRIM_THRESHOLD, KEPT))


def give_back_memory() -> None:
    """Give free memory back to the host: without it a freed model's pages stay, and memory seems to leak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
