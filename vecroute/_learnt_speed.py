"""How fast this host runs each method: the ratio of measured to predicted seconds, learnt from what was reported.

Ratios are multiplied, so all sums here are of logarithms. A method's own word counts by how many reports it has of
late; for the rest it is believed to be like all methods together, and those, as far as little is known, like the host
that labels were measured on (ratio 1). No clock is read here.
"""

import math
from collections.abc import Mapping

import msgspec

from router import METHODS, Method
from vecroute._speed import LEAST, MOST, plain_speed

# Seconds in which a report loses half of its weight: after a night hosts may have another load, clock or neighbours.
HALF_LIFE = 7200.0
# Reports that a method needs for its own word to count as much as that of all methods together.
FAMILIAR = 2.0
# Reports that count at most, so that a silence of a day (12 half-lives) outweighs any past.
MOST_REPORTS = 64.0
# Least share of the way to a new report: a host that slows down twofold is known to 10 % after 20 reports.
LEAST_GAIN = 0.1
# Furthest that one report counts from what was believed, a factor of 2: one outlier moves what is known by 7 %.
MOST_STEP = math.log(2.0)


class Learnt(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one method: the ratio's logarithm, and how many reports count."""

    log: float
    reports: float


class _Ratio:
    """What one method's own reports say: `log` is the ratio's logarithm, `reports` how many count `at` that moment."""

    __slots__ = ("at", "log", "reports")

    def __init__(self) -> None:
        self.log, self.reports, self.at = 0.0, 0.0, 0.0

    def weigh(self, now: float) -> float:
        """Return how many reports count now; a clock that goes backwards takes nothing away."""
        return self.reports * _left(now - self.at)

    def add(self, ratio: float, now: float) -> None:
        reports = self.weigh(now)
        step = min(max(math.log(ratio) - self.log, -MOST_STEP), MOST_STEP)
        self.log += step * max(1.0 / (reports + 1.0), LEAST_GAIN)
        self.reports, self.at = min(reports + 1.0, MOST_REPORTS), now


def _left(seconds: float) -> float:
    """Return what is left of a report's weight."""
    return math.pow(0.5, max(seconds, 0.0) / HALF_LIFE)


class Speed:
    """Learns `router.Host.speed`. Times are seconds of any clock that goes on."""

    def __init__(self) -> None:
        self._ratios = {method: _Ratio() for method in METHODS}

    def add(self, method: Method, *, measured: float, predicted: float, now: float) -> None:
        """Learn from one conversion, if both its seconds are above 0 and finite: no other can have happened."""
        if 0.0 < measured < math.inf and 0.0 < predicted < math.inf:
            ratio = min(max(measured / predicted, LEAST), MOST)  # a quotient of extremes may be 0 or infinite
            self._ratios[method].add(ratio, now)

    def learnt(self, now: float) -> dict[Method, Learnt]:
        """Return all that is known now, for `recall`."""
        return {method: Learnt(ratio.log, ratio.weigh(now)) for method, ratio in self._ratios.items()}

    def recall(self, learnt: Mapping[Method, Learnt], age: float, now: float) -> None:
        """Know again what was known `age` seconds ago; what no daemon would have learnt counts as nothing."""
        for method, one in learnt.items():
            if math.log(LEAST) <= one.log <= math.log(MOST) and 0.0 <= one.reports <= MOST_REPORTS:
                ratio = self._ratios[method]
                ratio.log, ratio.reports, ratio.at = one.log, one.reports * _left(age), now

    def at(self, now: float) -> tuple[float, ...]:
        """Return the speed now, each ratio within 1/8 to 8 and in single precision; empty where it changes nothing."""
        logs = [ratio.log for ratio in self._ratios.values()]
        shares = [weight / (weight + FAMILIAR) for weight in (ratio.weigh(now) for ratio in self._ratios.values())]
        # One method alone moves the others by half as much as itself, however busy it is.
        pooled = sum(share * log for share, log in zip(shares, logs, strict=True)) / (sum(shares) + 1.0)
        return plain_speed(
            tuple(math.exp(share * log + (1.0 - share) * pooled) for share, log in zip(shares, logs, strict=True))
        )
