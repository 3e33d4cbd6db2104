"""Conversions run in worker processes that may die or be ended; the caller only ever sees a typed error."""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

import cv2
import msgspec
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from converter._refine import NO_LIMITS, Limits, Step, refine
from converter._score import quality
from converter._trace import run_plan
from converter.errors import ConversionFailed, ConversionTimedOut
from router import Plan
from router.pixels import decode
from router.pixels import measure as measure_features

if TYPE_CHECKING:
    from models import PlanPolicy, PolicyModel

TIMEOUT = 60.0  # seconds for one conversion with its measurement; a trace that long helps nobody
# The fork server loads the native libraries once; workers forked from it start in milliseconds.
_PRELOAD = ["converter._pool"]

P = ParamSpec("P")
T = TypeVar("T")


class Refinement(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan was refined: the plan of the SVG returned, every step taken, and why there was no further one."""

    plan: Plan
    steps: tuple[Step, ...]
    reason: str


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What running a plan really gave.

    `quality` 0..1 as the design defines it, None when it was not to be measured; `seconds` from decoded pixels to SVG
    text (decoding and measuring excluded); `width` and `height` of the image, pixels. `refinement` is there where the
    policy took part.
    """

    svg: str
    quality: float | None
    seconds: float
    svg_bytes: int
    path_count: int
    width: int
    height: int
    refinement: Refinement | None = None


def convert_bytes(data: bytes, plan: Plan, *, measure: bool = True) -> Conversion:
    """Decode, run a plan, measure: in this process, without protection from native code.

    Raises:
        InvalidImage: the bytes are no image.
        ConversionFailed: VTracer refused or panicked.
    """
    pixels = decode(data)
    traced = run_plan(pixels, plan)
    return Conversion(
        svg=traced.svg,
        quality=quality(traced.svg, pixels) if measure else None,
        seconds=traced.seconds,
        svg_bytes=len(traced.svg.encode()),
        path_count=traced.path_count,
        width=pixels.shape[1],
        height=pixels.shape[0],
    )


def refine_bytes(data: bytes, plan: Plan, model: "PolicyModel | None", limits: Limits = NO_LIMITS) -> Conversion:
    """Decode, refine a plan and return the best: in this process. `seconds` counts traces, measurements and policy.

    Raises:
        InvalidImage: the bytes are no image.
        ConversionFailed: VTracer refused the plan or panicked.
    """
    pixels = decode(data)
    policy = None if model is None else _policy(model)
    found = refine(pixels, plan, policy, lambda: measure_features(pixels, len(data)), limits)
    return Conversion(
        svg=found.svg,
        quality=found.quality,
        seconds=found.seconds,
        svg_bytes=found.svg_bytes,
        path_count=found.path_count,
        width=pixels.shape[1],
        height=pixels.shape[0],
        refinement=Refinement(plan=found.plan, steps=found.steps, reason=found.reason),
    )


# The policies that this process has loaded, by the digest of their export; None where one does not load.
_POLICIES: dict[str, "PlanPolicy | None"] = {}
MOST_POLICIES = 4


def _policy(model: "PolicyModel") -> "PlanPolicy | None":
    """Return a policy ready to run, loaded once per process."""
    if model.digest not in _POLICIES:
        from models import load_policy

        if len(_POLICIES) >= MOST_POLICIES:
            _POLICIES.clear()
        _POLICIES[model.digest] = load_policy(model)
    return _POLICIES[model.digest]


class Converter:
    """Run plans in `workers` processes, each conversion within `timeout` seconds."""

    def __init__(self, *, workers: int | None = None, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._workers = workers or os.cpu_count() or 1
        self._pool = _pool(self._workers)
        self._closed = False
        self._lock = threading.Lock()
        self._under_way: set[ProcessFuture[Any]] = set()

    def submit(self, data: bytes, plan: Plan, *, measure: bool = True) -> "Pending[Conversion]":
        """Start a conversion; the answer waits in what is returned."""
        return self.start(convert_bytes, data, plan, measure=measure)

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Pending[T]":
        """Start any work on pictures that may die or take too long; a worker must be able to import the function."""
        with self._lock:
            if not self._closed and not self._pool.active:
                # A worker that is killed while it has nothing to do breaks the whole pool.
                self._pool.join()
                self._pool = _pool(self._workers)
            future: ProcessFuture[T] = self._pool.schedule(work, args=args, kwargs=kwargs, timeout=self._timeout)
            self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return Pending(future, self._timeout)

    def convert(self, data: bytes, plan: Plan, *, measure: bool = True) -> Conversion:
        """Run a plan and wait for the result. Raises what `Pending.result` does."""
        return self.submit(data, plan, measure=measure).result()

    def refine(self, data: bytes, plan: Plan, model: "PolicyModel | None", limits: Limits = NO_LIMITS) -> Conversion:
        """Refine a plan by a policy and wait for the best, see `refine`. Raises what `Pending.result` does."""
        return self.start(refine_bytes, data, plan, model, limits).result()

    def close(self) -> None:
        """End the workers, also those at work; whoever waits for one gets CancelledError."""
        with self._lock:
            self._closed = True
            self._pool.stop()
        # The pool forgets what was under way, and would let its callers wait for ever.
        for future in tuple(self._under_way):
            future.cancel()
        self._pool.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pool(workers: int) -> ProcessPool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return ProcessPool(max_workers=workers, context=context)


class Pending(Generic[T]):
    """A conversion, or other work, under way."""

    def __init__(self, future: ProcessFuture[T], timeout: float) -> None:
        self.future: Future[T] = future
        self._timeout = timeout

    def result(self) -> T:
        """Wait for the conversion.

        Raises:
            InvalidImage: the bytes are no image.
            ConversionFailed: VTracer refused or panicked, or its process died.
            ConversionTimedOut: it took too long and was ended.
            CancelledError: it was given up, by `cancel` or by closing the converter.
        """
        try:
            return self.future.result()
        except TimeoutError as exc:
            raise ConversionTimedOut(self._timeout) from exc
        except ProcessExpired as exc:
            raise ConversionFailed(f"its process ended with code {exc.exitcode}") from exc
        except BrokenProcessPool as exc:
            raise ConversionFailed("its process ended before it began") from exc
        except (MemoryError, cv2.error) as exc:
            raise ConversionFailed(str(exc).strip().partition("\n")[0] or "out of memory") from exc
        except pickle.PicklingError as exc:
            # A Rust panic has a type that no other process can import.
            raise ConversionFailed("native code panicked") from exc

    def cancel(self) -> None:
        """Give the conversion up; its worker is ended if it has begun."""
        self.future.cancel()
