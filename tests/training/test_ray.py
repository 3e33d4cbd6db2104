"""The engine of many machines, on a cluster of two nodes with a processor each."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_local import renamed
from tests.training.workers import DOOMED, GOOD, HANGING, PANICKING, figures, label_on_node, label_when_told
from training._engine import run_all
from training._labelfile import read_labels
from training._local import LocalEngine
from training._ray import RayEngine
from training._run import Label, Task
from training.errors import ClusterUnreachable, ExtraMissing

pytest.importorskip("ray", reason="needs Ray: pip install 'vecroute[ray]'")
PATIENCE = 100  # seconds; all of this file takes a fifth of that where nothing else runs
TIME_LIMIT = 5.0
pytestmark = [
    pytest.mark.timeout(2 * PATIENCE),
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


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    """Let Ray's processes take their time to start: on a machine that is busy its own limits end them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_agent_register_timeout_ms", f"{PATIENCE}000")
        patch.setenv("RAY_worker_register_timeout_seconds", f"{PATIENCE}")
        yield


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

    engine = RayEngine(address=nodes.cluster.address, timeout=TIME_LIMIT, job=label_on_node)
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
    assert all(list(home.glob("vecroute-*/*.tgz")) for home in nodes.homes)
    # Each was begun once, also what died: only a lost machine is a reason to try again.
    assert sorted(nodes.ran(0) + nodes.ran(1)) == sorted(task.spec.key for task in wanted)
    assert nodes.ran(0)
    assert nodes.ran(1)

    # What one engine began, the other ends.
    assert run_all(wanted, there, LocalEngine(2), progress=seen.append) == (3, [])


def test_a_node_that_is_lost_loses_nothing(nodes: Nodes, tasks: list[Task], tmp_path: Path) -> None:
    wanted = renamed(tasks, *GOOD)
    path = tmp_path / "label.jsonl"
    # The second node waits in its first task until it is lost.
    (nodes.homes[0] / "go").touch()
    for home in nodes.homes:
        (home / "ran").write_text("-\n")

    def lose() -> None:
        wait_until(lambda: len(nodes.ran(1)) > 1)
        nodes.cluster.remove_node(nodes.added[1], allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    engine = RayEngine(address=nodes.cluster.address, job=label_when_told)
    assert run_all(wanted, path, engine, progress=lambda _: None) == (len(wanted), [])
    losing.join()
    assert sorted(one.key for one in read_labels(path)) == sorted(task.spec.key for task in wanted)
    assert nodes.ran(1)[-1] in nodes.ran(0)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_ctrl_c_keeps_what_is_done_ends_all_processes_and_the_same_command_goes_on(engine: str, tmp_path: Path) -> None:
    """In a terminal the signal goes to all processes of the command; the cluster that it started ends with it."""
    labels = tmp_path / "work" / "search.jsonl"
    command = [sys.executable, "-m", "tests.training.stopped", engine, str(tmp_path)]
    # Ray's sockets want a short path.
    home = {**os.environ, "TMPDIR": str(tmp_path), "RAY_TMPDIR": "/tmp"}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=home)
    try:
        wait_until(lambda: labels.exists() and labels.stat().st_size > 0, running)
        started = descendants(running.pid)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, said
    assert said.splitlines()[-1] == "training: stopped; run the same command again to go on where it stopped"
    assert "Traceback" not in said
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    done = labels.read_bytes()
    assert len(list(read_labels(labels))) == done.count(b"\n") == 1

    (tmp_path / "go").touch()
    command[3] = "local"
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=home)
    assert labels.read_bytes().startswith(done)
    assert len(list(read_labels(labels))) == len(GOOD)
    assert f"search: {len(GOOD) - 1} images run now, 0 failed, {len(GOOD)} in all" in again.stderr


def wait_until(true: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait until something is so; give up when it lasts too long, or when the process has ended."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends
        assert process is None or process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def descendants(pid: int) -> set[int]:
    """Return the processes below one."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= {child, *descendants(child)}
    return found


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1", "nowhere.invalid:6379"])
def test_no_cluster_at_the_address_is_told(tasks: list[Task], address: str) -> None:
    with pytest.raises(ClusterUnreachable, match=f"no Ray cluster answers at {re.escape(address)} .*--ray-address"):
        next(RayEngine(address=address).run(tasks))


def test_without_ray_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'vecroute\[ray\]'"):
        RayEngine()
