"""A tiny corpus and real labels made of it: every number comes from a conversion that ran."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.training.corpora import HELD_OUT, TRAINED, corpus_toml, icons, pack
from training._corpus import Family
from training._export import Trained, trees_as_onnx, write_export
from training._fit import best_plans, fill_values, fit_regressor
from training._images import ImageSpec, specs
from training._run import Label, Task, label
from training._tables import Table

SEED = 5


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
    """Let all of training know the tiny families only, and look at few plans."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training._corpus.CORPUS_TOML", corpus / "corpus.toml")
        patch.setattr("training._fit.PROPOSALS", 12)
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
def fitted(searched: list[Label], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that holds a plan regressor alone."""
    table = Table(searched)
    rows, plans = best_plans(table, SEED)
    folder = tmp_path_factory.mktemp("fitted") / "fitted"
    regressor = trees_as_onnx(fit_regressor(rows, plans, SEED), rows.shape[1])
    trained = Trained(regressor=regressor, fill=fill_values(table), trained_on="a test")
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
