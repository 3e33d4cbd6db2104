"""What the shared cache's writer counts; kept in its memory and shown in the file once a second."""

from collections.abc import Sequence
from typing import Final

from daemon.words import Words
from vecroute._layout import AGE_BUCKETS, COUNTERS, COUNTERS_OFFSET, EVICTED_AGES, WORD

_FIRST: Final = COUNTERS_OFFSET // WORD
_SECOND: Final = 1_000_000_000  # ns


class Tally:
    """Counters by their names in the layout, and how old entries were when live ones had to go."""

    def __init__(self, words: Sequence[int]) -> None:
        """Go on counting where the file's counters stand."""
        self.counts = {name: words[_FIRST + index] for index, name in enumerate(COUNTERS)}
        self.ages = [words[EVICTED_AGES + bucket] for bucket in range(AGE_BUCKETS)]

    def add(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def add_evicted(self, age_ns: int) -> None:
        self.counts["evicted"] += 1
        self.ages[min(max(age_ns // _SECOND, 0).bit_length(), AGE_BUCKETS - 1)] += 1

    def show(self, store: Words) -> None:
        """Store all counters."""
        for index, name in enumerate(COUNTERS):
            store.store_word(_FIRST + index, self.counts[name])
        for bucket, number in enumerate(self.ages):
            store.store_word(EVICTED_AGES + bucket, number)
