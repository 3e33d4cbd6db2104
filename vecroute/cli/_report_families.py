"""Regret by family: how much utility choices lost against the best candidate, and why."""

from collections.abc import Sequence

import msgspec

from vecroute.cli._measuring import Choice, Run

MOST = 24  # families shown; the others, of less regret, are taken together


class Family(msgspec.Struct, frozen=True):
    """A directory of images: their number, and the mean regret over images and cells, parted by kind of loss."""

    name: str
    images: int
    lost: dict[str, float]

    @property
    def regret(self) -> float:
        """The mean regret, all kinds together; below 0 only if choices beat every candidate."""
        return sum(self.lost.values())


def families(choices: Sequence[Choice], rows: Sequence[Run]) -> list[Family]:
    """Return the families, the one with most regret first; beyond `MOST` the rest is one."""
    family = {run.image: run.family for run in rows}
    own: dict[str, list[Choice]] = {}
    for choice in choices:
        own.setdefault(family[choice.image], []).append(choice)
    found = sorted((_family(name, made) for name, made in own.items()), key=lambda one: (-one.regret, one.name))
    if len(found) <= MOST:
        return found
    rest = [choice for one in found[MOST - 1 :] for choice in own[one.name]]
    return [*found[: MOST - 1], _family(f"{len(found) - MOST + 1} others", rest)]


def _family(name: str, choices: Sequence[Choice]) -> Family:
    lost: dict[str, float] = {}
    for choice in choices:
        if choice.loss:
            lost[choice.loss] = lost.get(choice.loss, 0.0) + choice.best_utility - choice.utility
    images = len({choice.image for choice in choices})
    return Family(name, images, {kind: value / len(choices) for kind, value in lost.items()})
