"""All stores into the shared cache's file happen here, so that tests can end the process at any one of them."""

import mmap


class Words:
    """Stores words and bytes into a mapped file. A word store is one aligned 8-byte store: readers see old or new.

    `struct.pack_into` would not do: it clears its target first, and readers would see that.
    """

    __slots__ = ("_map", "_words")

    def __init__(self, mapping: mmap.mmap) -> None:
        self._map = mapping
        self._words = memoryview(mapping).cast("Q")

    def store_word(self, number: int, value: int) -> None:
        self._words[number] = value

    def store_bytes(self, offset: int, data: bytes) -> None:
        """Copy bytes in, in any order and pieces: readers must not trust them before a word store says so."""
        self._map[offset : offset + len(data)] = data

    def close(self) -> None:
        """Let the mapping go; nothing can be stored any more."""
        self._words.release()
