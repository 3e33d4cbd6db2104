"""Orders in which images are asked for: by popularity, with scans in between, round and round; seeded."""

import numpy as np


def zipf(skew: float, images: int, length: int, seed: int = 1) -> list[int]:
    """Return a trace where the image of rank n is asked for in proportion to 1 / n^skew."""
    weights = 1.0 / np.arange(1, images + 1) ** skew
    shares = np.cumsum(weights) / weights.sum()
    drawn = np.searchsorted(shares, np.random.default_rng(seed).random(length))
    return [int(one) for one in np.minimum(drawn, images - 1)]


def with_scans(trace: list[int], scan: int, every: int) -> list[int]:
    """Return a trace that is broken, each `every` accesses, by `scan` images that nobody asks for again."""
    fresh = max(trace) + 1
    mixed: list[int] = []
    for at in range(0, len(trace), every):
        mixed += trace[at : at + every]
        mixed += range(fresh, fresh + scan)
        fresh += scan
    return mixed


def loop(images: int, length: int) -> list[int]:
    """Return a trace that asks for the same images in the same order, again and again."""
    return [at % images for at in range(length)]


def repeated(trace: list[int], share: float, among: int, seed: int = 2) -> list[int]:
    """Return a trace in which a share of the requests asks for one of the last `among` images once more."""
    random = np.random.default_rng(seed)
    again = random.random(len(trace)) < share
    back = random.integers(1, among + 1, len(trace))
    for at in np.flatnonzero(again):
        trace[at] = trace[max(int(at) - int(back[at]), 0)]
    return trace
