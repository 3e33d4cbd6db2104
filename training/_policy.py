"""The step `ppo`: real probes, a simulator of what labels know, a policy trained on it, and the files it leaves."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from models import load_export
from models._staging import describe
from router import FEATURE_NAMES
from training._export import REGRESSOR, Trained, write_export
from training._labelfile import read_labels
from training._labelling import label_all
from training._local import LocalEngine
from training._parquet import read_tables
from training._policyfile import TrainedPolicy, write_policy
from training._ppo import STEPS, policy_spec, train_policy
from training._probe import probe, start_plans
from training._progress import bar
from training._run import Label, Task
from training._simulated import ENVIRONMENTS, SimulatedVecEnv
from training._simulator import Simulator
from training._steps import SEED, Work
from training._tables import Table
from training.errors import CorpusTooSmall, LabelsDamaged, StepMissing

# Images that are probed, and the plans run on each: about ten minutes of one processor.
PROBED_IMAGES, PROBES = 160, 24
# The longer side of the images probed, pixels: what a palette is worth shows on small ones too.
LONGEST_PROBED = 360
# An image that says little beyond what trees expect anyway is not worth its place.
LEAST_RUNS = 4
MOST_IMAGES = 4000


def train_ppo(work: Work) -> None:
    """Train the plan policy on the labels there are, leave it in the work folder, and add it to the fitted export.

    Raises:
        StepMissing: there are no labels, or no regressor to start from.
        CorpusTooSmall: every image is held out.
    """
    if not (work.fitted / "model_info.json").exists():
        raise StepMissing(work.fitted, "fit")
    known = merged(_labels(work))
    _probe(work, known)
    # Threads that wait for one another cost more than they bring where other work runs beside.
    with threadpool_limits(1):
        policy = _trained(work, known)
    write_policy(policy, work.policy)
    fitted = msgspec.structs.replace(_fitted(work.fitted), policy=policy)
    write_export(fitted, work.fitted, name="fitted", created=datetime.now(UTC))


def _trained(work: Work, known: list[Label]) -> TrainedPolicy:
    table = Table(merged(chain(known, read_labels(work.probed)))[:MOST_IMAGES])
    spec, simulator = policy_spec(table), Simulator(table, SEED)
    starts = [start_plans(work.fitted, label.features) for label in table.labels]
    environment = SimulatedVecEnv(spec, simulator, starts, ENVIRONMENTS, SEED)
    print(f"ppo: {len(table.labels)} images, {len(table)} runs", file=sys.stderr)
    with bar("ppo", STEPS) as (progress, task):
        return train_policy(
            environment,
            spec,
            SEED,
            steps=STEPS,
            report=lambda done, worth: progress.update(
                task, completed=done, description=f"ppo: an episode is worth {worth:+.3f}"
            ),
        )


def merged(labels: Iterable[Label]) -> list[Label]:
    """Return the training images of some labels, all runs of an image together, in an order without meaning."""
    found: dict[str, Label] = {}
    for label in labels:
        if label.spec.split == "train":
            before = found[label.key].runs if label.key in found else ()
            found[label.key] = msgspec.structs.replace(label, runs=(*before, *label.runs))
    enough = [label for label in found.values() if len(label.runs) >= LEAST_RUNS]
    if not enough:
        raise CorpusTooSmall("no training image has enough runs to learn from")
    return sorted(enough, key=lambda label: label.key)


def _labels(work: Work) -> list[Label]:
    """Return the labels under way, or the finished ones where there are none."""
    under_way = list(chain(*(read_labels(path) for path in (work.explored, work.searched, work.labelled))))
    if under_way:
        return under_way
    try:
        return list(chain(*read_tables(work.labels).values()))
    except LabelsDamaged as exc:
        raise StepMissing(work.searched, "search") from exc


def _probe(work: Work, known: list[Label]) -> None:
    """Run plans around the start plans of some small images, unless that was done before."""
    count = max(1, round(PROBED_IMAGES * work.scale))
    small = [label.spec for label in known if label.spec.longest <= LONGEST_PROBED][:count]
    tasks = [Task(spec=s, random_plans=PROBES, export=work.fitted, corpus=work.corpus, seed=SEED + 2) for s in small]
    label_all("probe", tasks, work.probed, LocalEngine(work.workers or 1, job=probe), [])


def _fitted(folder: Path) -> Trained:
    """Return the fitted export as training wrote it."""
    export = load_export(folder, defaults=None)
    spec = describe(folder).manifest.regressor
    assert spec is not None
    known = dict(zip(spec.names, spec.fill, strict=True))
    return Trained(
        regressor=(folder / REGRESSOR).read_bytes(),
        regressor_features=spec.names,
        fill=np.array([known.get(name, 0.0) for name in FEATURE_NAMES], dtype=np.float32),
        trained_on=export.info.trained_on,
    )
