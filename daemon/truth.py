"""Whether predictions still come true: predicted against measured quality over the last reports, and an alarm."""

import math
from collections import deque

import msgspec

from router import Method
from vecroute._wire import TruthStatus

# Reports that are looked at: some hundred tell a correlation to a few hundredths, and age within a day's work.
WINDOW = 512
# Fewer tell nothing for sure.
LEAST_REPORTS = 50
# An alarm ends when the error is that much below its limit, or the correlation that much above its floor.
CALM_SHARE = 0.8
CALM_CORRELATION = 0.1
# Below this, variances are rounding errors.
_NO_VARIANCE = 1e-12


class Rule(msgspec.Struct, frozen=True):
    """When predictions count as drifted off: see the settings of the same names."""

    error_factor: float = 2.0
    error_floor: float = 0.02
    correlation: float = 0.3

    def limit(self, own_error: float | None) -> float:
        """Return the largest mean absolute error that is no drift, for an export that states its own, or none."""
        return max(self.error_factor * (own_error or 0.0), self.error_floor)


class _Pair(msgspec.Struct, frozen=True):
    method: Method
    predicted: float
    measured: float


class _Sums:
    """Running sums over pairs; taking one away again costs as little as adding it."""

    __slots__ = ("absolute", "bias", "count", "measured", "measured_2", "predicted", "predicted_2", "product")

    def __init__(self) -> None:
        self.count = 0
        self.predicted = self.measured = self.predicted_2 = self.measured_2 = self.product = 0.0
        self.absolute = self.bias = 0.0

    def add(self, pair: _Pair, sign: int = 1) -> None:
        predicted, measured = pair.predicted, pair.measured
        self.count += sign
        self.predicted += sign * predicted
        self.measured += sign * measured
        self.predicted_2 += sign * predicted * predicted
        self.measured_2 += sign * measured * measured
        self.product += sign * predicted * measured
        self.bias += sign * (measured - predicted)
        self.absolute += sign * abs(measured - predicted)


class Truth:
    """Holds the last pairs of one export; a new export gets a new one."""

    def __init__(self, rule: Rule, own_error: float | None = None, *, judged: bool = True) -> None:
        """`own_error` is the export's own mean absolute error; unless `judged`, nothing ever counts as drift."""
        self._rule, self._judged = rule, judged
        self.limit = rule.limit(own_error)
        self._pairs: deque[_Pair] = deque()
        self._added = 0
        self._all = _Sums()
        self._methods: dict[Method, _Sums] = {}
        self.drifted = False

    def add(self, method: Method, *, predicted: float, measured: float) -> None:
        """Look at one report more, both qualities 0..1, and at one less if there are enough."""
        pair = _Pair(method, predicted, measured)
        if len(self._pairs) == WINDOW:
            self._count(self._pairs.popleft(), -1)
        self._pairs.append(pair)
        self._count(pair, 1)
        self._added += 1
        if self._added % WINDOW == 0:
            self._count_anew()
        self.drifted = self._judged and self._why_drifted() is not None

    @property
    def correlation(self) -> float | None:
        """Pearson's, None where predictions or qualities do not vary."""
        s = self._all
        spreads = self._variance(s.predicted, s.predicted_2), self._variance(s.measured, s.measured_2)
        if min(spreads) < _NO_VARIANCE:
            return None
        covariance = s.product / s.count - s.predicted * s.measured / s.count**2
        return min(max(covariance / math.sqrt(spreads[0] * spreads[1]), -1.0), 1.0)

    @property
    def error(self) -> float | None:
        """Mean absolute error."""
        return _mean(self._all.absolute, self._all.count)

    def status(self) -> TruthStatus:
        """Return the figures of this moment."""
        return TruthStatus(
            count=self._all.count,
            correlation=self.correlation,
            mean_absolute_error=self.error,
            bias=_mean(self._all.bias, self._all.count),
            method_errors={method: s.absolute / s.count for method, s in self._methods.items() if s.count},
            error_limit=self.limit if self._judged else None,
            drift=self._why_drifted() if self.drifted else None,
        )

    def _why_drifted(self) -> str | None:
        """Return why predictions count as drifted off; once they do, more is asked for before they do not."""
        if self._all.count < LEAST_REPORTS:
            return None
        limit, floor = self.limit, self._rule.correlation
        why = self._violated(limit, floor)
        if why is None and self.drifted:
            why = self._violated(limit * CALM_SHARE, floor + CALM_CORRELATION)
            return why and f"{why} before the alarm ends"
        return why

    def _violated(self, limit: float, floor: float) -> str | None:
        error, count = self.error or 0.0, self._all.count
        if error > limit:
            return f"predictions are off by {error:.4f} over {count} reports, {limit:.4f} is allowed"
        correlation = self.correlation or 0.0  # what never varies says nothing
        if correlation < floor and self._tells_correlation:
            return f"predictions correlate by {correlation:.2f} over {count} reports, {floor:.2f} is asked for"
        return None

    @property
    def _tells_correlation(self) -> bool:
        """Whether measured qualities vary by more than predictions may be off: else noise is all there is."""
        return self._variance(self._all.measured, self._all.measured_2) > self.limit**2

    def _variance(self, total: float, squares: float) -> float:
        count = self._all.count
        return squares / count - (total / count) ** 2 if count else 0.0

    def _count(self, pair: _Pair, sign: int) -> None:
        self._all.add(pair, sign)
        self._methods.setdefault(pair.method, _Sums()).add(pair, sign)

    def _count_anew(self) -> None:
        """Sum up what is there, once a window, so that rounding errors do not add up for ever."""
        self._all, self._methods = _Sums(), {}
        for pair in self._pairs:
            self._count(pair, 1)


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
