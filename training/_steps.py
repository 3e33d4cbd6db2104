"""The steps of training, in the order of their life; each reads files, calls pure code and writes files."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from converter._fixed import FIXED
from models import load_export
from models._staging import describe
from router import FEATURE_NAMES, Policy
from training._boosted import FOLDS
from training._corpus import drawings, families, fetch
from training._evaluate import SPLITS, Judged, complete, judge_export
from training._explore import found_best
from training._export import REGRESSOR, Trained, regressor_as_onnx, write_export
from training._fit import fill_values, fit_regressor, problem
from training._forest import fit_forest, methods_of
from training._formulas import fit_constants
from training._images import ImageSpec, specs
from training._labelfile import read_labels
from training._labelling import EngineName, choose_engine, label_all
from training._learn import EPOCHS, Scaling, best_device, normalised, scaling, train
from training._network import MEMBERS
from training._parquet import read_tables, write_tables
from training._pictures import spread, write_pictures
from training._plans import read_elites, write_elites
from training._policyfile import read_policy
from training._progress import bar
from training._repeats import faster, slowdown
from training._reuse import EXPORT, TABLES
from training._rules import rule_constants
from training._run import Label, Task
from training._surrogate import Surrogate
from training._tables import Array, Table, plan_row
from training.errors import CorpusTooSmall, ExportUnfit, FamilyMissing, Incomplete, StepMissing

SEED = 20261124
EXPLORED, TRIALS = 80, 12  # images, and plans tried on each of their upscale steps
SEARCH_SHARE, LEAST_SEARCHED = 0.15, 6  # of the training images are searched, which teaches the plan regressor
SEARCH_PLANS = 12  # near those found best, on each of them
# What bytes and seconds weigh for `feature_mapping`, of what they do elsewhere: the regressor's plans are thrifty
# already, and where nothing bounds bytes or time another such plan is of no use.
GENEROUS = 0.33
LABEL_PLANS = 5  # plans near those beside the candidates, so that the predictor knows more than what is proposed
REPEATED = 60  # images run again on their own
POLICIES = (Policy(name="constrained"), Policy(name="weighted"))


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Where things lie: packages, runs under way, finished tables, the export; `scale` is the share of the corpus."""

    corpus: Path
    folder: Path
    labels: Path
    export: Path
    workers: int | None
    scale: float
    largest: int | None = None  # px
    limit: int | None = None  # pictures
    tables: Path = TABLES  # reuse: finished labels,
    source: Path = EXPORT  # and the export that offered their plans
    zip: Path = Path("export.zip")  # bundle
    epochs: int = EPOCHS  # train
    engine: EngineName = "local"
    ray_address: str | None = None

    @property
    def explored(self) -> Path:
        """The runs that looked for the best plans of some images; the plans themselves lie in `elites`."""
        return self.folder / "explore.jsonl"

    @property
    def elites(self) -> Path:
        """The folder of the best plans found."""
        return self.folder / "elites"

    @property
    def searched(self) -> Path:
        """The runs of plans near the best ones, on all training images."""
        return self.folder / "search.jsonl"

    @property
    def labelled(self) -> Path:
        """The runs of the methods' candidates, on held-out and some training images."""
        return self.folder / "label.jsonl"

    @property
    def refined(self) -> Path:
        """The runs of refinements, on the same images."""
        return self.folder / "refine.jsonl"

    @property
    def repeated(self) -> Path:
        """The runs done again, one at a time."""
        return self.folder / "repeat.jsonl"

    @property
    def fitted(self) -> Path:
        """An export that holds the plan regressor and the policy: it offers candidates while labels are made."""
        return self.folder / "fitted"

    @property
    def probed(self) -> Path:
        """The runs around the plans that refinement starts from."""
        return self.folder / "probe.jsonl"

    @property
    def policy(self) -> Path:
        """The folder that the trained plan policy lies in."""
        return self.folder / "policy"


def fetch_corpus(work: Work) -> None:
    """Fetch every family's package."""
    chosen, missing = families(), []
    with bar("fetch", len(chosen)) as (progress, task):
        for family in chosen:
            try:
                fetch(family, work.corpus)
            except FamilyMissing as exc:
                missing.append(exc)
            progress.advance(task)
    if missing:
        raise Incomplete("fetch", 0, None, missing)


def explore(work: Work) -> None:
    """Search some training images for the best plans of each upscale step."""
    found, missing = _specs(work)
    some = [spec for spec in found if spec.split == "train"][: max(1, round(EXPLORED * work.scale))]
    tasks = [Task(spec=s, fixed=(), trials=TRIALS, corpus=work.corpus, seed=SEED) for s in some]
    _run("explore", tasks, work, missing)
    write_elites(work.elites, found_best(_labels(work.explored, "explore")))


def search(work: Work) -> None:
    """Run plans near the best ones on some training images."""
    read_elites(work.elites)
    found, missing = _specs(work)
    tasks = [
        Task(spec=s, fixed=(), random_plans=SEARCH_PLANS, elites=work.elites, corpus=work.corpus, seed=SEED)
        for s in _searched(found)
    ]
    _run("search", tasks, work, missing)


def fit(work: Work) -> None:
    """Fit the plan regressor, of the kind with the least regret, and print the constants of the closed formulas."""
    explored, searched = (_labels(path, path.stem) for path in (work.explored, work.searched))
    table = Table([*searched, *explored])
    surrogate = Surrogate(table, SEED)
    given = problem(table, surrogate, found_best(explored), SEED)
    fitted = fit_regressor(given, SEED)
    for kind, regret in sorted(fitted.regrets.items(), key=lambda item: item[1]):
        print(f"fit: {kind}: regret {regret:.4f}", file=sys.stderr)
    export = Trained(
        regressor=regressor_as_onnx(fitted, len(FEATURE_NAMES) + 1),
        fill=fill_values(table),
        trained_on=f"{len(table.labels)} searched images",
    )
    write_export(export, work.fitted, name="fitted", created=datetime.now(UTC))
    generous = Surrogate(table, SEED, thrift=GENEROUS)
    constants = fit_constants(table, surrogate, generous, given.archetypes, SEED)
    print(f"constants of router/formulas.py: {msgspec.json.encode(constants).decode()}", file=sys.stderr)


def label_images(work: Work) -> None:
    """Run every method's candidates and plans near the best ones on all images; fixed plans on some."""
    _regressor(work)
    found, missing = _specs(work)
    elites = work.elites if work.elites.exists() else None
    searched = frozenset(_searched(found))
    # Held-out images come first: figures can be had before the others are done. The router is judged against the fixed
    # plans there; elsewhere some runs of them teach what they give.
    tasks = [
        Task(
            spec=s,
            fixed=tuple(FIXED) if s.split != "train" or s in searched else (),
            random_plans=LABEL_PLANS,
            elites=elites,
            export=work.fitted,
            corpus=work.corpus,
            seed=SEED + 1,
        )
        for s in sorted(found, key=lambda s: (s.split == "train", s not in searched))
    ]
    _run("label", tasks, work, missing)


def refine_images(work: Work) -> None:
    """Run what the plan policy makes of its start plans, on all held-out images and as many others."""
    if read_policy(work.policy) is None:
        raise StepMissing(work.policy, "ppo")
    labelled = [label.spec for label in _labels(work.labelled, "label")]
    held_out = [s for s in labelled if s.split != "train"]
    # One of each in turn: wherever this is stopped, there is as much to learn from as to judge by.
    pairs = zip(held_out, [s for s in labelled if s.split == "train"], strict=False)
    tasks = [
        Task(spec=s, fixed=(), refined=True, export=work.fitted, corpus=work.corpus, seed=SEED)
        for s in dict.fromkeys([*chain.from_iterable(pairs), *held_out])
    ]
    _run("refine", tasks, work)


def repeat(work: Work) -> None:
    """Run some of the labels again, one at a time: what busy neighbours cost the labels, and how far seconds repeat."""
    again = [label.spec for label in read_labels(work.labelled)][:REPEATED]
    tasks = [Task(spec=s, export=work.fitted, corpus=work.corpus, seed=SEED + 1) for s in again]
    _run("repeat", tasks, msgspec.structs.replace(work, workers=1))


def train_models(work: Work) -> None:
    """Train forest and predictor on the labels, and write the export with its measured figures."""
    phases = {
        "explore": read_labels(work.explored),
        "search": _labels(work.searched, "search"),
        "label": with_runs(_labels(work.labelled, "label"), read_labels(work.refined)),
        "repeat": read_labels(work.repeated),
    }
    write_tables(work.labels, phases)
    searched, labelled = calm(read_tables(work.labels))
    table = Table([*labelled, *searched])
    trained = msgspec.structs.replace(_trained(table, _regressor(work), work), policy=read_policy(work.policy))
    created = datetime.now(UTC)
    write_export(trained, work.export, name="vecroute-default", created=created)
    judged = _judged(work, labelled)
    metrics, per_family = _metrics(judged)
    finished = msgspec.structs.replace(trained, metrics=metrics, metrics_per_family=per_family)
    write_export(finished, work.export, name="vecroute-default", created=created)
    _show(judged)
    _print_constants("router/_rules.py", rule_constants(Table(labelled)))


def evaluate(work: Work) -> None:
    """Judge the export on the held-out labels and print the figures."""
    _, labelled = calm(read_tables(work.labels))
    _show(_judged(work, labelled))


def pictures(work: Work) -> None:
    """Write the held-out images as files, each beside its drawing, families in turn."""
    found, missing = _specs(work)
    chosen = spread(found, work.limit)
    with bar("pictures", len(chosen)) as (progress, task):
        write_pictures(chosen, work.corpus, work.export, lambda: progress.advance(task))
    print(f"pictures: {len(chosen)} held-out images in {work.export}", file=sys.stderr)
    if missing:
        raise Incomplete("pictures", 0, None, missing)


def _labels(path: Path, step: str) -> list[Label]:
    """Return the labels that a step left. Raises StepMissing when there are none."""
    found = list(read_labels(path))
    if not found:
        raise StepMissing(path, step)
    return found


def _regressor(work: Work) -> bytes:
    """Return the plan regressor that offers candidates, as ONNX. Raises StepMissing when none was fitted."""
    if not (work.fitted / "model_info.json").exists():
        raise StepMissing(work.fitted, "fit")
    return (work.fitted / REGRESSOR).read_bytes()


def _regressor_features(work: Work) -> tuple[str, ...]:
    spec = describe(work.fitted).manifest.regressor
    assert spec is not None
    return spec.names


def _specs(work: Work) -> tuple[list[ImageSpec], list[FamilyMissing]]:
    """Return all image specs, in an order in which any beginning is a fair sample, and the families left out.

    Raises:
        FamilyMissing: not one family is there.
    """
    found, missing = [], []
    for family in families():
        try:
            names = list(drawings(fetch(family, work.corpus), family.package))
        except FamilyMissing as exc:
            missing.append(exc)
        else:
            found += specs(family, names, count=max(1, round(family.images * work.scale)), seed=SEED)
    if not found:
        raise missing[0]
    if work.largest is not None:
        found = [msgspec.structs.replace(spec, longest=min(spec.longest, work.largest)) for spec in found]
    return sorted(found, key=lambda spec: spec.key), missing


def _searched(found: Sequence[ImageSpec]) -> list[ImageSpec]:
    """Return the training images that are searched."""
    trained = [spec for spec in found if spec.split == "train"]
    return trained[: max(LEAST_SEARCHED, round(len(trained) * SEARCH_SHARE))]


def _run(name: str, tasks: list[Task], work: Work, missing: Sequence[FamilyMissing] = ()) -> None:
    engine = choose_engine(work.engine, workers=work.workers, ray_address=work.ray_address)
    label_all(name, tasks, work.folder / f"{name}.jsonl", engine, missing)


def with_runs(labels: Iterable[Label], others: Iterable[Label]) -> list[Label]:
    """Return labels with the runs that others hold of the same images."""
    more = {label.key: label.runs for label in others}
    return [msgspec.structs.replace(label, runs=(*label.runs, *more.get(label.key, ()))) for label in labels]


def calm(phases: Mapping[str, list[Label]]) -> tuple[list[Label], list[Label]]:
    """Return the labels of searches and of candidates, with the seconds that a run on its own takes."""
    ratio = slowdown(phases.get("label", []), phases.get("repeat", []))
    print(
        f"seconds: runs beside others took {ratio.median:.2f} times as long ({ratio.spread:.0%} spread)",
        file=sys.stderr,
    )
    calmed = {name: [faster(label, ratio.median) for label in labels] for name, labels in phases.items()}
    return [*calmed.get("search", []), *calmed.get("explore", [])], calmed.get("label", [])


def _trained(table: Table, regressor: bytes, work: Work) -> Trained:
    images = np.flatnonzero(table.splits == "train")
    if not len(images):
        raise CorpusTooSmall("every image is held out")
    scale = scaling(table, images)
    print(f"train: on {best_device()}", file=sys.stderr)
    with bar("train", MEMBERS * work.epochs + FOLDS + 3) as (progress, task):
        predictor = train(
            table,
            scale,
            seed=SEED,
            epochs=work.epochs,
            report=lambda member, epoch, loss: progress.update(
                task,
                completed=member * work.epochs + epoch,
                description=f"train {member + 1}/{MEMBERS}: loss {loss:.3f}" if member < MEMBERS else "train: trees",
            ),
        )
    forest = fit_forest(table, images, SEED)
    known = methods_of(table)
    return Trained(
        predictor=predictor,
        scale=scale,
        fill=fill_values(table),
        forest=forest,
        regressor=regressor,
        regressor_features=_regressor_features(work),
        methods=tuple(known[index] for index in forest.classes_),
        trained_on=_trained_on(table, images),
        sample=_sample(table, scale),
    )


def _trained_on(table: Table, images: NDArray[np.intp]) -> str:
    """Return the manifest's words; an image that was searched and labelled counts once."""
    keys = {table.labels[image].key for image in images}
    return f"{len(keys)} images of {len(set(table.families[images]))} families, {len(table)} runs"


def _sample(table: Table, scale: Scaling) -> tuple[Array, Array, Array]:
    """Return one image's inputs as the network takes them, for tracing and for the goldens."""
    features = normalised(table, scale)[:1]
    picture = (table.thumbnails[:1].astype(np.float32) / 255 - scale.channel_mean) / scale.channel_std
    runs = table.labels[0].runs[:8]
    plans = np.array([plan_row(run.plan, run.origin) for run in runs], dtype=np.float32)
    return features, np.ascontiguousarray(picture.transpose(0, 3, 1, 2), np.float32), plans


def _judged(work: Work, labelled: Iterable[Label]) -> dict[str, Judged]:
    export = load_export(work.export)
    if export.problems:
        raise ExportUnfit(work.export, export.problems[0])
    by_split = {split: [label for label in labelled if label.spec.split == split] for split in SPLITS}
    judged = {split: complete(export, labels) for split, labels in by_split.items()}
    return {split: judge_export(export, labels, POLICIES) for split, labels in judged.items() if labels}


def _metrics(judged: dict[str, Judged]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the manifest's metrics: those on held-out families under plain names, all of them by split."""
    by_split = {split: {k: round(v, 5) for k, v in one.predictor.items()} for split, one in judged.items()}
    return by_split.get("families", {}), by_split


def _print_constants(place: str, constants: Mapping[str, object]) -> None:
    print(f"constants of {place}:", file=sys.stderr)
    for name, value in constants.items():
        print(f"  {name}: {value}", file=sys.stderr)


def _show(judged: dict[str, Judged]) -> None:
    print(msgspec.json.format(msgspec.json.encode(judged), indent=2).decode())
