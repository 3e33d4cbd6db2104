"""The engine of many machines, on a cluster of two nodes with a processor each."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_local import renamed
from tests.training.workers import DOOMED, HANGING, PANICKING, figures, label_on_node
from training._engine import run_all
from training._labelfile import read_labels
from training._local import LocalEngine
from training._ray import RayEngine
from training._run import Label, Task

pytest.importorskip("ray", reason="needs Ray: pip install 'vecroute[ray]'")
pytestmark = [
    pytest.mark.timeout(120),
    # Ray leaves sockets and log files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Nodes:
    """A cluster whose nodes share no temporary directory."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder = folder
        self.cluster = Cluster()
        self.homes: list[Path] = []
        self.added: list[Any] = []

    def add(self) -> None:
        home = self.folder / f"node-{len(self.homes)}"
        home.mkdir()
        self.homes.append(home)
        self.added.append(
            self.cluster.add_node(
                num_cpus=1,
                include_dashboard=False,
                object_store_memory=80 * 2**20,
                env_vars={"TMPDIR": str(home)},
            )
        )

    def ran(self, index: int) -> list[str]:
        """Return the keys of the tasks that a node began."""
        path = self.homes[index] / "ran"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes."""
    found = Nodes(tmp_path_factory.mktemp("nodes"))
    found.add()
    found.add()
    yield found
    found.cluster.shutdown()  # type: ignore[no-untyped-call]


def test_both_nodes_give_the_labels_of_one_machine_and_what_dies_or_hangs_is_listed(
    nodes: Nodes, tasks: list[Task], tmp_path: Path
) -> None:
    wanted = renamed(tasks, DOOMED, PANICKING, HANGING, "shape-1", "shape-2", "shape-5")
    here, there = tmp_path / "local.jsonl", tmp_path / "ray.jsonl"
    assert run_all(wanted[3:], here, LocalEngine(2), progress=lambda _: None) == (3, [])

    engine = RayEngine(address=nodes.cluster.address, timeout=3, job=label_on_node)
    seen: list[Label | str] = []
    done, failures = run_all(wanted, there, engine, progress=seen.append)
    assert done == 3
    assert sorted(line.split(" at ")[0] for line in failures) == sorted(
        f"shapes/{name}" for name in (DOOMED, PANICKING, HANGING)
    )
    by_key = {one.key: one for one in read_labels(there)}
    for one in read_labels(here):
        other = by_key[one.key]
        assert (other.spec, other.features, other.thumbnail) == (one.spec, one.features, one.thumbnail)
        assert [figures(run) for run in other.runs] == [figures(run) for run in one.runs]
    # Each was begun once, also what died: only a lost machine is a reason to try again.
    assert sorted(nodes.ran(0) + nodes.ran(1)) == sorted(task.spec.key for task in wanted)
    assert nodes.ran(0)
    assert nodes.ran(1)

    # What one engine began, the other ends.
    assert run_all(wanted, there, LocalEngine(2), progress=seen.append) == (3, [])
    print(failures, file=sys.stderr)
