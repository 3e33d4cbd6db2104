"""Runs of plans on images in worker processes, one JSON line an image: killed at any moment, nothing done is lost."""

import functools
import pickle
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

import msgspec
from pebble import ProcessExpired, ProcessPool

from converter._fixed import FIXED
from converter._score import render, similarity
from converter._trace import run_plan
from converter.errors import ConverterError
from models import Export, load_export
from router import Features, Method, Plan
from router.formulas import MOST_TRACED
from router.pixels import Pixels, decode, measure, premultiplied, thumbnail
from training._corpus import Drawing, drawings, families
from training._images import ImageSpec, draw
from training._plans import random_plans
from training.errors import LabelsDamaged

THUMBNAIL = 32
IMAGE_TIMEOUT = 240.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One plan run on one image. `seconds` is processor time: what an idle host takes, whatever else ran beside it."""

    origin: str
    plan: Plan
    quality: float
    seconds: float
    wall_seconds: float
    svg_bytes: int
    path_count: int


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One image with everything measured on it; `thumbnail` is 32 x 32 premultiplied RGBA."""

    key: str
    spec: ImageSpec
    features: Features
    thumbnail: bytes
    runs: tuple[Run, ...]
    failures: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does with one image: fixed plans, random ones, and the export's candidates where asked for."""

    spec: ImageSpec
    fixed: tuple[str, ...] = tuple(FIXED)
    random_plans: int = 0
    export: Path | None = None
    corpus: Path
    seed: int = 0


def label(task: Task) -> Label:
    """Draw an image, run its plans and measure them all."""
    data = draw(task.spec, _drawing(task.corpus, task.spec))
    pixels = decode(data)
    features = measure(pixels, len(data))
    runs, failures = [], []
    for origin, plan in _plans(task, features):
        try:
            runs.append(_run(pixels, origin, plan))
        except ConverterError as exc:
            failures.append(f"{origin}: {exc}")
    return Label(
        key=task.spec.key,
        spec=task.spec,
        features=features,
        thumbnail=thumbnail(premultiplied(pixels), THUMBNAIL).tobytes(),
        runs=tuple(runs),
        failures=tuple(failures),
    )


def _run(pixels: Pixels, origin: str, plan: Plan) -> Run:
    started = time.thread_time()
    traced = run_plan(pixels, plan)
    seconds = time.thread_time() - started
    return Run(
        origin=origin,
        plan=plan,
        quality=similarity(render(traced.svg), pixels),
        seconds=seconds,
        wall_seconds=traced.seconds,
        svg_bytes=len(traced.svg),
        path_count=traced.path_count,
    )


def _plans(task: Task, features: Features) -> list[tuple[str, Plan]]:
    area = features.image_area or 0
    named = [
        (name, FIXED[name])
        for name in task.fixed
        # Large fixed plans cost minutes of labelling and are only needed where the router is judged against them.
        if task.spec.split != "train" or area * FIXED[name].upscale ** 2 <= MOST_TRACED
    ]
    if task.export is not None:
        named += [(method, plan) for method, plan in _candidates(task.export, features)]
    rng = random.Random(f"{task.seed}-{task.spec.key}")
    return named + [("random", plan) for plan in random_plans(features, task.random_plans, rng)]


@functools.cache
def _export(folder: Path) -> Export:
    return load_export(folder)


def _candidates(folder: Path, features: Features) -> list[tuple[Method, Plan]]:
    return _export(folder).candidates(features)


@functools.lru_cache(maxsize=16)
def _family(corpus: Path, name: str) -> dict[str, Drawing]:
    family = next(f for f in families() if f.name == name)
    return drawings(corpus / family.archive, family.package)


def _drawing(corpus: Path, spec: ImageSpec) -> Drawing:
    return _family(corpus, spec.family)[spec.drawing]


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a JSON-lines file; a half-written last line, left by a kill, is passed over.

    Raises:
        LabelsDamaged: a whole line is no label.
    """
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(Label)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.endswith(b"\n"):
                try:
                    yield decoder.decode(line)
                except msgspec.MsgspecError as exc:
                    raise LabelsDamaged(path, f"line {number}: {exc}") from exc


def run_all(
    tasks: Iterable[Task], path: Path, *, workers: int, progress: Callable[[Label | str], None]
) -> tuple[int, list[str]]:
    """Run every task not yet in the file, appending one line each; return how many were done, and the failures."""
    done = {known.key for known in read_labels(path)}
    _end_last_line(path)
    waiting = iter([t for t in tasks if t.spec.key not in done])
    failures: list[str] = []
    finished = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPool(max_workers=workers, max_tasks=400) as pool, path.open("ab", buffering=0) as out:
        running: dict[Future[Label], Task] = {}
        try:
            while True:
                for task in waiting:
                    running[pool.schedule(label, args=(task,), timeout=IMAGE_TIMEOUT)] = task
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return finished, failures
                ready, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    task = running.pop(future)
                    finished += _keep(future, task, out.write, failures, progress)
        except KeyboardInterrupt:
            pool.stop()
            raise


def _keep(
    future: Future[Label],
    task: Task,
    write: Callable[[bytes], object],
    failures: list[str],
    progress: Callable[[Label | str], None],
) -> int:
    try:
        result = future.result()
    except (ProcessExpired, TimeoutError, OSError, ValueError, pickle.PicklingError) as exc:
        # PicklingError: native code panicked, and its exception cannot leave the worker.
        failures.append(f"{task.spec.family}/{task.spec.drawing} at {task.spec.longest} px: {type(exc).__name__} {exc}")
        progress(failures[-1])
        return 0
    write(msgspec.json.encode(result) + b"\n")
    progress(result)
    return 1


def _end_last_line(path: Path) -> None:
    """Close a line that a kill cut short, so that the next one starts fresh."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as file:
            data = file.read()
            file.truncate(data.rfind(b"\n") + 1)
