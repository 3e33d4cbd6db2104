"""`python -m tests.training.stopped local|ray FOLDER`: a step that waits after its first image until it is told."""

import sys
from pathlib import Path

from tests.training.conftest import SEED, small_specs
from tests.training.corpora import TRAINED, pack
from tests.training.workers import GOOD, label_when_told
from training.__main__ import STEPS, main
from training._engine import Engine
from training._labelling import label_all
from training._local import LocalEngine
from training._run import Task
from training._steps import Work


def slow_engine(name: str) -> Engine:
    """Return an engine with work that waits; Ray's is one that it starts itself."""
    if name == "local":
        return LocalEngine(1, job=label_when_told)
    from training._ray import RayEngine

    return RayEngine(address="local", job=label_when_told)


def search(work: Work) -> None:
    """Label the tiny corpus."""
    some = [s for s in small_specs(TRAINED, 12) if s.drawing in GOOD]
    tasks = [Task(spec=s, fixed=("fixed_1x",), corpus=work.corpus, seed=SEED) for s in some]
    label_all("search", tasks, work.searched, slow_engine(work.engine), [])


if __name__ == "__main__":
    engine, folder = sys.argv[1], Path(sys.argv[2])
    pack(folder / "corpus", TRAINED)
    STEPS["search"] = search
    flags = ["--engine", engine, "--corpus", str(folder / "corpus"), "--work", str(folder / "work")]
    sys.exit(main(["search", *flags]))
