"""Scoring puts candidates in order, best first; one function per policy, and one for base routing."""

import math
from collections.abc import Iterable
from operator import itemgetter

from msgspec.structs import replace

from router._plan import Plan
from router._prediction import METHODS, Candidate, Method, Prediction, base_cell
from router._request import Constraints, Host, Policy
from router._rules import COSTLY_TIER, METHOD_TIER, rule_order

PREFERRED, AVOIDED, OVERLOADED = 1.15, 0.85, 0.7
LATE_RELIABILITY = 0.8
NOT_CHOSEN = 0.7  # how much the forest's confidence counts for methods it did not choose
RULE_CONFIDENCE = 0.5  # stands in for the forest's confidence when only the rule table is left
MOST_QUALITY_CREDIT = 1.2
LEAST_TIME_CREDIT = 0.1
UNLIKELY = 0.1  # below this chance a candidate is only taken for want of others
# Chances of keeping all budgets: from the first on a candidate counts as one that fits, from the second on it needs no
# weighing. An overrun costs all, what a finer plan wins is a hundredth.
CERTAIN, SURE = 0.99, 0.999
RISKED = 0.9  # the least chance that is taken where another candidate fits
BOUND = 0.95  # the chance of keeping the upper bounds themselves; base routing's are wide already
# Of SVG, what is as costly as a second.
BYTES_OF_A_SECOND = 100_000.0
# How many times as much quality up to a target counts as quality without one. At 4 nearly as many targets are met as
# at any price (0.98: 0.660 instead of 0.674 of unseen families), in two fifths of the time and half of the bytes.
ASKED_FOR = 4.0
_ODDS_OF_BOUND = 19.0  # those of `BOUND`
MOST_OFF = 200.0  # powers of the odds beyond it overflow
_NUMBER: dict[Method, int] = {method: number for number, method in enumerate(METHODS)}


# A candidate in its place: the score that it got, the candidate, and its chance of keeping the budgets, 0..1.
Ranked = tuple[float, Candidate, float]
_Key = tuple[float | Plan, ...]


def at_speed(prediction: Prediction, speed: tuple[float, ...]) -> Prediction:
    """Return the prediction with the seconds that its candidates take on a host of this speed (`Host.speed`)."""
    return replace(prediction, candidates=tuple(_timed(c, speed[_NUMBER[c.method]]) for c in prediction.candidates))


def chance(candidate: Candidate, constraints: Constraints) -> float:
    """Return how likely a candidate keeps the budgets, 0..1.

    Seconds and bytes are taken as independent and log-logistic about their estimates, with the upper bounds as their
    95th percentiles. A log-normal has too thin tails: of 18,178 figures of unseen images 1.1 % lie beyond three of its
    deviations, where it has 0.1 % and this 0.5 %.
    """
    odds = 1.0
    if constraints.time_budget is not None:
        odds *= _below(constraints.time_budget, candidate.seconds, candidate.seconds_high)
    if constraints.svg_budget is not None:
        odds *= _below(constraints.svg_budget, candidate.svg_bytes, candidate.svg_bytes_high)
    return odds


def _below(limit: float, estimate: float, high: float) -> float:
    if not 0 < estimate < high:
        return float(estimate <= limit)
    off = math.log(limit / estimate) / math.log(high / estimate)
    return 1 / (1 + math.pow(_ODDS_OF_BOUND, -max(off, -MOST_OFF)))


def meets(candidate: Candidate, constraints: Constraints, policy: Policy) -> bool:
    """Tell whether a candidate is believed to reach the quality target; without a target none needs to."""
    target = constraints.quality_target
    return target is not None and candidate.quality - policy.caution * candidate.quality_error >= target


def factor(method: Method, constraints: Constraints, host: Host, policy: Policy) -> float:
    """Return what preferences and the host's load multiply a method's score by."""
    value = PREFERRED if method in constraints.preferred else AVOIDED if method in constraints.avoided else 1.0
    if host.system_load > policy.high_load and METHOD_TIER[method] >= COSTLY_TIER:
        value *= OVERLOADED
    return value


def base_probabilities(prediction: Prediction, constraints: Constraints) -> dict[Method, float]:
    """Return what base routing thinks of each method for this request: the forest's word, else the rule table's."""
    if prediction.base:
        cell = base_cell(constraints.quality_target, constraints.time_budget)
        return {method: row[cell] for method, row in prediction.base.items()}
    order = rule_order(constraints.time_budget)
    return {method: RULE_CONFIDENCE * 0.5**rank for rank, method in enumerate(order)}


def weighted_score(
    candidate: Candidate, base: dict[Method, float], late: bool, constraints: Constraints, policy: Policy
) -> float:
    """Return the design's weighted sum for one candidate, before preferences."""
    confidence = max(base.values(), default=RULE_CONFIDENCE)
    chosen = base.get(candidate.method, 0.0) >= confidence
    reliability = LATE_RELIABILITY if late else 1.0
    quality = min(candidate.quality / (constraints.quality_target or 1.0), MOST_QUALITY_CREDIT) * reliability
    time = _credit(constraints.time_budget, candidate.seconds)
    score = (
        policy.base_weight * (1.0 if chosen else NOT_CHOSEN) * confidence
        + policy.quality_weight * quality
        + policy.time_weight * time
    )
    return score * _credit(constraints.svg_budget, candidate.svg_bytes)


def order_weighted(prediction: Prediction, constraints: Constraints, host: Host, policy: Policy) -> list[Ranked]:
    """Order by weighted score; ties go to less time, then to fewer bytes."""
    base = base_probabilities(prediction, constraints)

    def place(candidate: Candidate) -> tuple[_Key, Ranked]:
        score = weighted_score(candidate, base, prediction.late, constraints, policy)
        score *= factor(candidate.method, constraints, host, policy)
        key = (-score, candidate.seconds, *_tie_break(candidate))
        return key, (score, candidate, chance(candidate, constraints))

    return _sorted(map(place, prediction.candidates))


def order_constrained(prediction: Prediction, constraints: Constraints, host: Host, policy: Policy) -> list[Ranked]:
    """Order: the cheapest that should meet the target and surely keeps the budgets; else by promise; else by overrun.

    What a candidate promises is the share of the target that it is expected to reach (`share`) times its chance of
    keeping the budgets, as an overrun costs all. Time that a request grants is used; without a time budget a promise is
    weighed against its price (`worth`). Preferences and load weigh promises and seconds; they never move what may well
    break a budget before what fits.
    """
    likely = [chance(c, constraints) for c in prediction.candidates]
    # Where something fits, no promise is worth more than a little risk.
    least = RISKED if max(likely) >= CERTAIN else UNLIKELY

    def place(candidate: Candidate, odds: float) -> tuple[_Key, Ranked]:
        seconds, weight = candidate.seconds, factor(candidate.method, constraints, host, policy)
        key: _Key
        if odds < UNLIKELY:
            key = (3, _overrun(candidate, constraints) / weight, seconds)
        elif odds >= SURE and meets(candidate, constraints, policy):
            key = (0, seconds / weight)
        else:
            promised = share(candidate, constraints) * weight * odds
            if odds < least:
                key = (2, -promised, seconds)
            elif constraints.time_budget is None:
                key = (1, -worth(candidate, promised, constraints, policy), seconds)
            else:
                key = (1, -promised, seconds)
        return key + _tie_break(candidate), (candidate.quality, candidate, odds)

    return _sorted(map(place, prediction.candidates, likely))


def share(candidate: Candidate, constraints: Constraints) -> float:
    """Return what share of the quality target, at most all of it, a candidate is expected to reach.

    Errors are taken as Laplace-distributed about their known mean; without a target it is the quality itself.
    """
    target = constraints.quality_target
    if target is None:
        return candidate.quality
    above, error = candidate.quality - target, max(candidate.quality_error, 1e-9)
    return min(1.0, 1.0 + (min(above, 0.0) - error / 2 * math.exp(-abs(above) / error)) / target)


def worth(candidate: Candidate, promised: float, constraints: Constraints, policy: Policy) -> float:
    """Return what a candidate is worth without a time budget: its promise less its price.

    Bytes within a budget cost nothing; quality that was asked for counts more than what nobody named.
    """
    size = candidate.svg_bytes if constraints.svg_budget is None else 0.0
    price = policy.thrift * (candidate.seconds + size / BYTES_OF_A_SECOND)
    return promised * (1.0 if constraints.quality_target is None else ASKED_FOR) - price


def order_base(prediction: Prediction, constraints: Constraints, host: Host, policy: Policy) -> list[Ranked]:
    """Order by base routing alone: the likeliest method first, within it the finest plan that fits the budgets."""
    base = base_probabilities(prediction, constraints)

    def place(candidate: Candidate) -> tuple[_Key, Ranked]:
        score, odds = base.get(candidate.method, 0.0), chance(candidate, constraints)
        weight = score * factor(candidate.method, constraints, host, policy)
        last = _tie_break(candidate)
        if odds < BOUND:
            return (1, _overrun(candidate, constraints), -weight, *last), (score, candidate, odds)
        return (0, -weight, -candidate.seconds, *last), (score, candidate, odds)

    return _sorted(map(place, prediction.candidates))


def _sorted(placed: Iterable[tuple[_Key, Ranked]]) -> list[Ranked]:
    """Return what has the least key first."""
    return [ranked for _, ranked in sorted(placed, key=itemgetter(0))]


def _timed(candidate: Candidate, ratio: float) -> Candidate:
    if ratio == 1.0:
        return candidate
    return replace(candidate, seconds=candidate.seconds * ratio, seconds_high=candidate.seconds_high * ratio)


def _credit(budget: float | None, spent: float) -> float:
    return 1.0 if budget is None else min(max(budget / max(spent, 1e-9), LEAST_TIME_CREDIT), 1.0)


def _tie_break(candidate: Candidate) -> tuple[float, int, Plan]:
    """Return what decides between equals: bytes, then the cheaper method, then the plan itself."""
    return (candidate.svg_bytes, METHOD_TIER[candidate.method], candidate.plan)


def _overrun(candidate: Candidate, constraints: Constraints) -> float:
    """Return how many times the tighter budget a candidate is expected to take."""
    return max(
        candidate.seconds_high / (constraints.time_budget or float("inf")),
        candidate.svg_bytes_high / (constraints.svg_budget or float("inf")),
    )
