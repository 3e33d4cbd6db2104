"""A file is mapped without keeping a descriptor: nobody else can close, or take over, what is not there."""

import ctypes
import mmap
import os
import sys
from typing import Final

_MAP_FIXED: Final = 0x10  # the same on every Linux; `mmap` does not name it


def map_shared(descriptor: int, size: int, protection: int = mmap.PROT_READ) -> mmap.mmap:
    """Return a file's first `size` bytes, shared with whoever writes it; the descriptor may be closed then.

    Before Python 3.13 `mmap` keeps a copy of the descriptor until it is collected. An application that closes all its
    descriptors (daemons do) may by then have another file under that number, which `mmap` would close.

    Raises:
        OSError: it cannot be mapped.
    """
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED, prot=protection, trackfd=False)
    mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=protection)
    _replace_pages(_address(mapping), size, protection, descriptor)
    return mapping


class _Buffer(ctypes.Structure):
    """`Py_buffer`, part of the stable ABI: `ctypes` itself tells addresses of writable memory only."""

    _fields_ = (
        ("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p),
    )  # fmt: skip


def _address(mapping: mmap.mmap) -> int:
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(mapping), ctypes.byref(buffer), 0)
    address: int = buffer.buf
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address


def _replace_pages(address: int, size: int, protection: int, descriptor: int) -> None:
    """Put the file's pages where the mapping's empty ones are; it unmaps them like its own."""
    call = ctypes.CDLL(None, use_errno=True).mmap
    call.restype = ctypes.c_void_p
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    if call(address, size, protection, mmap.MAP_SHARED | _MAP_FIXED, descriptor, 0) != address:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
