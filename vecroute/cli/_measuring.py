"""One image is measured: every candidate and every fixed plan runs on it, and the router chooses in every cell."""

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter import Conversion, Converter
from converter._fidelity import check_source, fidelity_4x
from converter._fixed import FIXED
from converter._grid import GRID, Cell
from converter.errors import ConverterError
from router import (
    Candidate,
    Constraints,
    Method,
    Plan,
    Policy,
    PolicyName,
    Prediction,
    RoutingDecision,
    at_speed,
    decide,
)
from router.errors import RouterError
from vecroute._speed import AS_PREDICTED
from vecroute.cli._failures import Failure, failure_of
from vecroute.cli._images import Found, read_image
from vecroute.cli._outputs import SVG
from vecroute.cli._routing import Asker
from vecroute.cli._terminal import name_of, say
from vecroute.errors import VecrouteError

# Seconds for one fidelity: drawings with filters take 20 s at 4,096 px a side.
FIDELITY_TIMEOUT = 300.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One plan run on one image: a row of the JSON. A run that failed has no figures but its error.

    `family` is the directory below the one that was named; `width` and `height` are the image's, pixels. The
    predictions are there for candidates that a predictor scored, seconds on this host as fast as it was known to be;
    `fidelity_4x` is there where the image has a source.
    """

    image: str
    method: str
    candidate: str
    plan: Plan
    family: str = ""
    width: int | None = None
    height: int | None = None
    quality: float | None = None
    seconds: float | None = None
    svg_bytes: int | None = None
    path_count: int | None = None
    predicted_quality: float | None = None
    predicted_seconds: float | None = None
    predicted_svg_bytes: float | None = None
    predicted_quality_error: float | None = None
    predicted_seconds_high: float | None = None
    predicted_svg_bytes_high: float | None = None
    fidelity_4x: float | None = None
    error: str | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What the router chose for an image in one cell, with the figures of that run."""

    image: str
    quality_target: float | None
    time_budget: float | None
    svg_budget: int | None
    method: str
    candidate: str
    predicted_quality: float
    predicted_seconds: float
    predicted_svg_bytes: float
    quality: float | None = None
    seconds: float | None = None
    svg_bytes: int | None = None
    utility: float = 0.0
    best_candidate: str = ""
    best_utility: float = 0.0
    loss: str = ""


class Kept(msgspec.Struct, frozen=True):
    """What pictures of an image can be made of: its bytes, and the SVG of each candidate."""

    data: bytes
    svgs: dict[str, str]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one image: its runs, and a choice for each cell of the grid.

    `export` made the predictions; `source` tells whether fidelity could be measured; `kept` is there if asked for.
    """

    runs: tuple[Run, ...]
    choices: tuple[Choice, ...]
    lane: str
    export: str | None = None
    source: bool = False
    kept: Kept | None = None


class Evaluator:
    """Measures images, several at a time if need be; with `keep`, what pictures are made of comes with the figures."""

    def __init__(self, asker: Asker, policy: PolicyName, jobs: int, *, keep: bool = False) -> None:
        self._asker, self._policy, self._keep = asker, policy, keep
        self._converter = Converter(workers=jobs)
        self._meter = Converter(workers=jobs, timeout=FIDELITY_TIMEOUT)
        self._warmed = False
        self._told = False

    def measure(self, one: Found) -> Measured | Failure:
        """Run all candidates and fixed plans on an image and ask for a choice in each cell."""
        try:
            return self._measure(one, read_image(one.path))
        except (VecrouteError, RouterError, ConverterError) as exc:
            return failure_of(one.path, exc)

    def close(self) -> None:
        self._converter.close()
        self._meter.close()

    def _measure(self, one: Found, data: bytes) -> Measured:
        image = name_of(one.path)
        prediction = self._asker.local.predict(data)
        decisions = [self._decide(data, prediction, cell) for cell in GRID]
        self._compare_exports(prediction, decisions[0])
        # As decisions saw them: the predictor's own seconds are those of the host that labels were made on.
        told = at_speed(prediction, self._asker.host.speed() or AS_PREDICTED)
        names = name_candidates([*told.candidates, *_unknown(prediction, decisions)])
        if not self._warmed:  # a worker's first conversion pays for loading; that is no property of the image
            self._converter.convert(data, FIXED["fixed_1x"])
            self._warmed = True
        scored = prediction.lane != "base"
        common = _Common(image, data, family_of(one))
        ran = [self._run(common, name, name, plan) for name, plan in FIXED.items()]
        ran += [
            self._run(common, candidate.method, name, candidate.plan, candidate if scored else None)
            for name, candidate in names.items()
        ]
        if scored:
            self._learn_speed(prediction, [run for run, _ in ran])
        by_plan = {(candidate.method, candidate.plan): name for name, candidate in names.items()}
        choices = [_choice(image, c, d, by_plan) for c, d in zip(GRID, decisions, strict=True)]
        export = decisions[0].export
        true = self._fidelities(one.path, data, ran)
        return Measured(
            runs=tuple(msgspec.structs.replace(run, fidelity_4x=true.get(run.candidate)) for run, _ in ran),
            choices=tuple(choices),
            lane=decisions[0].lane,
            export=None if export is None else f"{export.name} {export.version}",
            source=bool(true),
            kept=Kept(data, {run.candidate: svg for run, svg in ran}) if self._keep else None,
        )

    def _fidelities(self, path: Path, data: bytes, ran: Sequence[tuple[Run, str]]) -> dict[str, float]:
        """Return fidelity_4x of each candidate that ran; nothing where no source lies beside the image.

        What lies there and is not taken for the source, or takes too long to draw, is told.
        """
        beside = path.with_suffix(SVG)
        if not beside.is_file():
            return {}
        try:
            source = read_image(beside)
            self._meter.start(check_source, source, data).result()
            return {
                run.candidate: self._meter.start(fidelity_4x, svg, source, run.width, run.height).result()
                for run, svg in ran
                if run.width is not None and run.height is not None
            }
        except (VecrouteError, ConverterError) as exc:
            say(f"{name_of(beside)}: {exc}; no fidelity_4x of this image")
            return {}

    def _decide(self, data: bytes, prediction: Prediction, cell: Cell) -> RoutingDecision:
        if self._asker.by_daemon:
            return self._asker.route(
                data,
                quality_target=cell.quality_target,
                time_budget=cell.time_budget,
                svg_budget=cell.svg_budget,
                policy=self._policy,
            )
        wanted = Constraints(
            quality_target=cell.quality_target, time_budget=cell.time_budget, svg_budget=cell.svg_budget
        )
        return decide(prediction, wanted, self._asker.host.now(), Policy(name=self._policy))

    def _learn_speed(self, prediction: Prediction, runs: Iterable[Run]) -> None:
        """Let the decisions about the next images know how fast this host is, as a daemon would be told."""
        measured = {(run.method, run.plan): run.seconds for run in runs}
        for candidate in prediction.candidates:
            seconds = measured.get((candidate.method, candidate.plan))
            if seconds is not None:
                self._asker.host.learn(candidate.method, measured=seconds, predicted=candidate.seconds)

    def _compare_exports(self, prediction: Prediction, decision: RoutingDecision) -> None:
        """Say once that the daemon serves another export: then predictions and choices come from two of them."""
        ours, theirs = prediction.export, decision.export
        if self._told or ours is None or theirs is None or ours.digest == theirs.digest:
            return
        self._told = True
        say(f"the daemon serves {theirs.name} {theirs.version}, this process {ours.name} {ours.version}; see --models")

    def _run(
        self, common: "_Common", method: str, name: str, plan: Plan, predicted: Candidate | None = None
    ) -> tuple[Run, str]:
        """Return what running a plan gave, and its SVG; that is empty where the run failed."""
        make = functools.partial(
            Run, image=common.image, family=common.family, method=method, candidate=name, plan=plan
        )
        if predicted is not None:
            make = functools.partial(
                make,
                predicted_quality=predicted.quality,
                predicted_seconds=predicted.seconds,
                predicted_svg_bytes=predicted.svg_bytes,
                predicted_quality_error=predicted.quality_error,
                predicted_seconds_high=predicted.seconds_high,
                predicted_svg_bytes_high=predicted.svg_bytes_high,
            )
        try:
            done = self._convert(method, common.data, plan)
        except ConverterError as exc:
            say(f"{common.image}: {name}: {exc}")
            return make(error=str(exc)), ""
        run = make(
            quality=done.quality,
            seconds=done.seconds,
            svg_bytes=done.svg_bytes,
            path_count=done.path_count,
            width=done.width,
            height=done.height,
        )
        return run, done.svg

    def _convert(self, method: str, data: bytes, plan: Plan) -> Conversion:
        if method == "ppo":  # the plan is where the policy's search begins
            return self._converter.refine(data, plan, self._asker.local.export.policy)
        return self._converter.convert(data, plan)


class _Common(NamedTuple):
    """What all runs of an image share."""

    image: str
    data: bytes
    family: str


def family_of(one: Found) -> str:
    """Return the directory an image lies in: its path below the directory that was named, or that one's name."""
    below = one.below.parent
    return name_of(below if below.parts else one.path.absolute().parent.name)


def name_candidates(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """Return candidates by a name that means the same on every image: the method and its upscale, `method@2x`.

    Plans of one method that share an upscale are numbered.
    """
    named: dict[str, Candidate] = {}
    seen: Counter[str] = Counter()
    for candidate in candidates:
        plain = f"{candidate.method}@{candidate.plan.upscale}x"
        seen[plain] += 1
        named[plain if seen[plain] == 1 else f"{plain}.{seen[plain]}"] = candidate
    return named


def _unknown(prediction: Prediction, decisions: Sequence[RoutingDecision]) -> list[Candidate]:
    """Return what was chosen though this process did not offer it: the daemon may serve another export."""
    known = {(c.method, c.plan) for c in prediction.candidates}
    chosen = {(d.primary_method, d.plan): d for d in decisions if (d.primary_method, d.plan) not in known}
    return [
        Candidate(
            method=d.primary_method,
            plan=d.plan,
            quality=d.estimated_quality,
            quality_error=0.0,
            seconds=d.estimated_seconds,
            seconds_high=d.estimated_seconds,
            svg_bytes=d.estimated_svg_bytes,
            svg_bytes_high=d.estimated_svg_bytes,
        )
        for d in chosen.values()
    ]


def _choice(image: str, cell: Cell, decision: RoutingDecision, names: dict[tuple[Method, Plan], str]) -> Choice:
    return Choice(
        image=image,
        quality_target=cell.quality_target,
        time_budget=cell.time_budget,
        svg_budget=cell.svg_budget,
        method=decision.primary_method,
        candidate=names[decision.primary_method, decision.plan],
        predicted_quality=decision.estimated_quality,
        predicted_seconds=decision.estimated_seconds,
        predicted_svg_bytes=decision.estimated_svg_bytes,
    )
