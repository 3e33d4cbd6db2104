"""The engine of many machines: tasks go to a Ray cluster, as many at a time as keep it busy, and labels come back."""

import importlib
import os
import socket
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from pathlib import Path
from typing import Any

from training._cargo import Cargo, pack
from training._engine import IMAGE_TIMEOUT, Failure, Results
from training._local import Job, reason
from training._ray_node import Order, carry_out
from training._run import Label, Task, label
from training.errors import ClusterUnreachable, ExtraMissing

# Machines come and go on a cluster; an image that was lost with four of them is given up.
RETRIES = 3
# Our own packages travel with the run, so that all machines run the code of the one that started it; so does the
# default export, of which every other one borrows what it lacks.
_PACKAGES = ("router", "vecroute", "models", "converter", "training")
# A task names folders; all their files travel, but of these only what matches.
_NEEDED = {"corpus": "*.tgz"}
_KNOCK_SECONDS = 10.0
_LEFT_HERE = ["__pycache__/", "labels/", "exported/*", "!exported/default/"]


class RayEngine:
    """Runs tasks on the cluster at `address`, or where `ray.init` finds or starts one; at most `workers` at a time.

    Raises:
        ExtraMissing: Ray is not installed.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        workers: int | None = None,
        timeout: float = IMAGE_TIMEOUT,
        job: Job = label,
    ) -> None:
        # Nothing is reported to Ray's makers; it must be said before the first import.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            self._ray: Any = importlib.import_module("ray")
        except ModuleNotFoundError as exc:
            raise ExtraMissing("ray", "ray") from exc
        self._address, self._most, self._timeout, self._job = address, workers, timeout, job

    def run(self, tasks: Iterable[Task]) -> Results:
        """Yield results as they finish. Raises ClusterUnreachable when there is no cluster at the address."""
        waiting = iter(tasks)
        running: dict[Any, Task] = {}
        with self._connected():
            loader = _Loader(self._ray.put)
            # What fails an image comes back as Failure; an exception says that a machine lacks room or a library.
            send = self._ray.remote(carry_out).options(
                num_cpus=1, max_retries=RETRIES, retry_exceptions=True, scheduling_strategy="SPREAD"
            )
            while True:
                for task in islice(waiting, max(0, self._room() - len(running))):
                    running[send.remote(self._order(task, loader))] = task
                if not running:
                    return
                for ref in self._ready(list(running)):
                    yield running.pop(ref), self._result(ref)

    @contextmanager
    def _connected(self) -> Generator[None, None, None]:
        # What Ray prints belongs beside the progress bar, not among the figures.
        with redirect_stdout(sys.stderr):
            try:
                _knock(self._address)
                self._ray.init(
                    address=self._address,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="ERROR",
                    runtime_env={"py_modules": _packages(), "excludes": _LEFT_HERE},
                )
            except (OSError, RuntimeError, ValueError) as exc:
                raise ClusterUnreachable(self._address, reason(exc)) from exc
            try:
                yield
            finally:
                # Ends the tasks under way, and the cluster where `init` started it.
                self._ray.shutdown()

    def _order(self, task: Task, loader: "_Loader") -> Order:
        places = {name: value for name in task.__struct_fields__ if isinstance(value := getattr(task, name), Path)}
        return Order(
            task=task,
            folders={name: loader.cargo(folder, _NEEDED.get(name, "*")) for name, folder in places.items()},
            timeout=self._timeout,
            job=self._job,
        )

    def _room(self) -> int:
        """Return how many tasks may be under way: two a processor, so that none waits for the next.

        Where there are no processors yet there is room for two: an idle cluster grows only when it is asked.
        """
        return self._most or max(2, 2 * int(self._ray.cluster_resources().get("CPU", 0)))

    def _ready(self, refs: list[Any]) -> list[Any]:
        """Wait for one result, and return all that are there by then."""
        self._ray.wait(refs, num_returns=1)
        ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        return list(ready)

    def _result(self, ref: Any) -> Label | Failure:
        try:
            result: Label | Failure = self._ray.get(ref)
        except self._ray.exceptions.RayError as exc:
            return Failure(f"given up after {RETRIES + 1} tries: {reason(getattr(exc, 'cause', None) or exc)}")
        return result


class _Loader:
    """Puts each folder into the cluster's store once, when the first task asks for it."""

    def __init__(self, put: Any) -> None:
        self._put = put
        self._loaded: dict[Path, Cargo[Any]] = {}

    def cargo(self, folder: Path, pattern: str) -> Cargo[Any]:
        """Return the folder's files of a pattern as cargo."""
        if folder not in self._loaded:
            self._loaded[folder] = pack((p for p in folder.glob(pattern) if p.is_file()), self._put)
        return self._loaded[folder]


def _knock(address: str | None) -> None:
    """Raise OSError or ValueError unless something listens at host:port; Ray itself would wait for minutes."""
    if address and address not in ("auto", "local") and "://" not in address:
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _packages() -> list[str]:
    return [str(Path(__file__).parents[1] / name) for name in _PACKAGES]
