"""A tiny corpus and real labels made of it: every number comes from a conversion that ran."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import joblib
import msgspec
import pytest
from threadpoolctl import threadpool_limits

from router import FEATURE_NAMES
from tests.training.corpora import HELD_OUT, TRAINED, corpus_toml, icons, pack
from training._boosted import Size
from training._corpus import Family
from training._explore import found_best
from training._export import Trained, regressor_as_onnx, write_export
from training._fit import Problem, fill_values, fit_regressor, problem
from training._images import ImageSpec, specs
from training._run import Label, Task, label
from training._surrogate import Surrogate
from training._tables import Table

SEED = 5
WIDTH = len(FEATURE_NAMES) + 1  # of the regressor's rows: the features and the step
# Models as small as they can be: what is tested is what they are made of, not how good they are.
SMALL_MODELS = {
    "training._fit.PROPOSALS": 12,
    "training._fit.ARCHETYPES": 6,
    "training._fit.TREES": 6,
    "training._fit.PRICING_TREES": 4,
    "training._fit.HIDDEN": (8,),
    "training._surrogate.TREES": 8,
    "training._boosted.FIGURE": Size(40, 31, 7),
    "training._boosted.QUALITY": Size(40, 31, 7),
    "training._boosted.ERROR": Size(10, 31, 7),
    "training._learn.FOLDS": 4,
    "training._steps.FOLDS": 4,
    "training._network.HIDDEN": 64,
    "training._formulas.IMAGES": 4,
    "training._formulas.TRIALS": 4,
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the archives of both families, and the `corpus.toml` that names them."""
    folder = tmp_path_factory.mktemp("corpus")
    for family in (TRAINED, HELD_OUT):
        pack(folder, family)
    (folder / "corpus.toml").write_text(corpus_toml(TRAINED, HELD_OUT))
    return folder


@pytest.fixture(scope="session", autouse=True)
def tiny(corpus: Path) -> Iterator[None]:
    """Let all of training know the tiny families only, and fit small models, in one thread.

    Threads add up trees in any order, and scikit-learn's share the warning filters that tests rely on. OpenMP's spin
    where they wait for each other: on as many processors as there are test workers, models take minutes.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        joblib.parallel_config(backend="sequential"),
        threadpool_limits(1),
    ):
        patch.setattr("training._corpus.CORPUS_TOML", corpus / "corpus.toml")
        for name, value in SMALL_MODELS.items():
            patch.setattr(name, value)
        yield


def small_specs(family: Family, count: int) -> list[ImageSpec]:
    """Return specs whose images are 40 to 60 px, so that their runs take milliseconds."""
    found = specs(family, list(icons()["icons"]), count=count, seed=SEED)
    return [msgspec.structs.replace(spec, longest=40 + 2 * i) for i, spec in enumerate(found)]


@pytest.fixture
def tasks(corpus: Path) -> list[Task]:
    """Return tasks on small images, each with one fixed and one random plan."""
    return [
        Task(spec=s, random_plans=1, fixed=("fixed_1x",), corpus=corpus, seed=SEED) for s in small_specs(TRAINED, 6)
    ]


@pytest.fixture(scope="session")
def searched(corpus: Path) -> list[Label]:
    """Labels with random plans, as the search leaves them."""
    trained = [s for s in small_specs(TRAINED, 10) if s.split == "train"]
    return [label(Task(spec=s, random_plans=12, corpus=corpus, seed=SEED)) for s in trained]


@pytest.fixture(scope="session")
def explored(corpus: Path) -> list[Label]:
    """Labels of two images whose steps were searched, a few trials each."""
    trained = [s for s in small_specs(TRAINED, 10) if s.split == "train"]
    return [label(Task(spec=s, fixed=(), trials=3, corpus=corpus, seed=SEED)) for s in trained[:2]]


@pytest.fixture(scope="session")
def given(searched: list[Label], explored: list[Label]) -> Problem:
    """What regressors learn from, as real runs pose it."""
    table = Table([*searched, *explored])
    return problem(table, Surrogate(table, SEED), found_best(explored), SEED)


@pytest.fixture(scope="session")
def fitted(searched: list[Label], given: Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that holds a plan regressor alone."""
    folder = tmp_path_factory.mktemp("fitted") / "fitted"
    regressor = regressor_as_onnx(fit_regressor(given, SEED), WIDTH)
    trained = Trained(regressor=regressor, fill=fill_values(Table(searched)), trained_on="a test")
    write_export(trained, folder, name="fitted", created=datetime(2026, 1, 2, tzinfo=UTC))
    return folder


@pytest.fixture(scope="session")
def labelled(corpus: Path, fitted: Path) -> list[Label]:
    """Labels with all candidates of all methods, of both families."""
    wanted = [*small_specs(TRAINED, 10), *small_specs(HELD_OUT, 3)]
    found = [label(Task(spec=s, random_plans=2, export=fitted, corpus=corpus, seed=SEED)) for s in wanted]
    assert {run.origin for one in found for run in one.runs} >= {"performance", "feature_mapping", "regression"}
    return found


@pytest.fixture(scope="session")
def table(labelled: list[Label], searched: list[Label]) -> Table:
    """All labels as arrays, the labelled ones first."""
    return Table([*labelled, *searched])
