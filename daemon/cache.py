"""The cache keeps the predictions of the images seen last; it answers only for the export that made them."""

from collections import OrderedDict

from router import Prediction
from vecroute._wire import CacheStatus


class PredictionCache:
    """An exact LRU from image hash to prediction; pure, one owner, no lock."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, tuple[str, Prediction]] = OrderedDict()
        self._hits = 0
        self._misses = 0

    def get(self, image_hash: bytes, source: str) -> Prediction | None:
        """Return what this source (an export and its lane) said of the image, or None; another's word is dropped."""
        entry = self._entries.get(image_hash)
        if entry is not None and entry[0] == source:
            self._entries.move_to_end(image_hash)
            self._hits += 1
            return entry[1]
        if entry is not None:
            del self._entries[image_hash]
        self._misses += 1
        return None

    def put(self, image_hash: bytes, source: str, prediction: Prediction) -> None:
        """Keep a prediction as the one used last; the one used longest ago makes room."""
        self._entries[image_hash] = (source, prediction)
        self._entries.move_to_end(image_hash)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def status(self) -> CacheStatus:
        return CacheStatus(hits=self._hits, misses=self._misses, entries=len(self._entries), capacity=self._capacity)

    def __repr__(self) -> str:
        return f"<PredictionCache {self.status()}>"
