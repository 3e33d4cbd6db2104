"""The converter people call: it asks the router, runs the plan, measures, and falls back when a conversion dies."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import msgspec

from converter._pool import Conversion, Converter
from converter._refine import Limits, Step
from converter.errors import ConverterError
from router import Method, Plan, PolicyName, RoutingDecision

if TYPE_CHECKING:
    from models import PolicyModel


class Router(Protocol):
    """What is asked for decisions: a `models.HybridRouter`, or a client of the daemon."""

    def route(
        self,
        image: bytes,
        *,
        quality_target: float | None = None,
        time_budget: float | None = None,
        svg_budget: int | None = None,
        preferred: Iterable[Method] = (),
        avoided: Iterable[Method] = (),
        policy: PolicyName | None = None,
        method: Method | None = None,
    ) -> RoutingDecision:
        """Return the decision for an encoded image."""
        ...


@runtime_checkable
class PolicySource(Protocol):
    """A router that knows which policy refines the plans it decides for."""

    def plan_policy(self, decision: RoutingDecision) -> "PolicyModel | None":
        """Return the policy for a decision for `ppo`, None where there is none."""
        ...


class ConversionResult(msgspec.Struct, frozen=True, kw_only=True):
    """An SVG with its measured figures, and the decision it came from.

    `quality` 0..1, `seconds` from decoded pixels to SVG text, `svg_bytes` its length; `fallbacks` lists the methods
    that failed before this one, with their errors. Where the method is `ppo`, `plan` is the one that was found,
    `seconds` counts the whole search, `steps` are the plans that were tried and `refinement` says why it ended.
    """

    svg: str
    quality: float
    seconds: float
    svg_bytes: int
    path_count: int
    width: int
    height: int
    method: Method
    plan: Plan
    prediction_metadata: RoutingDecision
    fallbacks: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    refinement: str = ""


class FourTierConverter:
    """Convert images by the router's decision; workers are shared by all calls and ended by `close`."""

    def __init__(self, router: Router | None = None, *, converter: Converter | None = None) -> None:
        self._router = router if router is not None else _in_process_router()
        self._converter = converter if converter is not None else Converter(workers=1)
        # Not every router knows policies: a client of the daemon sees decisions only.
        self._policies: PolicySource = self._router if isinstance(self._router, PolicySource) else _PackagedPolicies()

    def convert(
        self,
        image: bytes | os.PathLike[str],
        *,
        quality_target: float | None = None,
        time_budget: float | None = None,
        svg_budget: int | None = None,
        policy: PolicyName | None = None,
        method: Method | None = None,
    ) -> ConversionResult:
        """Return the SVG of an image with its measured quality.

        Raises:
            InvalidImage: the bytes are no image.
            InvalidConstraint: a target or budget makes no sense.
            ConverterError: every method failed.
            OSError: the file cannot be read.
        """
        data = image if isinstance(image, bytes) else Path(image).read_bytes()

        def decide(only: Method | None) -> RoutingDecision:
            return self._router.route(
                data,
                quality_target=quality_target,
                time_budget=time_budget,
                svg_budget=svg_budget,
                policy=policy,
                method=only,
            )

        limits = Limits(seconds_left=time_budget, svg_budget=svg_budget, quality_target=quality_target)
        failed: list[str] = []
        decision = decide(method)
        others = iter(() if method is not None else decision.fallback_methods)
        while True:
            try:
                done = self._run(data, decision, limits)
            except ConverterError as exc:
                failed.append(f"{decision.primary_method}: {exc}")
                following = next(others, None)
                if following is None:
                    raise
                decision = decide(following)
            else:
                return _result(done, decision, tuple(failed))

    def _run(self, data: bytes, decision: RoutingDecision, limits: Limits) -> Conversion:
        if decision.primary_method != "ppo":
            return self._converter.convert(data, decision.plan)
        return self._converter.refine(data, decision.plan, self._policies.plan_policy(decision), limits)

    def close(self) -> None:
        """End the workers."""
        self._converter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _result(done: Conversion, decision: RoutingDecision, failed: tuple[str, ...]) -> ConversionResult:
    return ConversionResult(
        svg=done.svg,
        quality=done.quality if done.quality is not None else 0.0,
        seconds=done.seconds,
        svg_bytes=done.svg_bytes,
        path_count=done.path_count,
        width=done.width,
        height=done.height,
        method=decision.primary_method,
        plan=decision.plan if done.refinement is None else done.refinement.plan,
        prediction_metadata=decision,
        fallbacks=failed,
        steps=() if done.refinement is None else done.refinement.steps,
        refinement="" if done.refinement is None else done.refinement.reason,
    )


class _PackagedPolicies:
    """Policies for decisions of a router that brings none: those of the packaged exports."""

    def __init__(self) -> None:
        self._found: dict[str, PolicyModel | None] = {}

    def plan_policy(self, decision: RoutingDecision) -> "PolicyModel | None":
        from models import DEFAULT_MODELS, find_policy

        digest = "" if decision.export is None else decision.export.digest
        if digest not in self._found:
            self._found[digest] = find_policy(DEFAULT_MODELS, digest)
        return self._found[digest]


def _in_process_router() -> Router:
    from models import HybridRouter

    return HybridRouter()
