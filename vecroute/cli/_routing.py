"""Decisions come from the daemon, and from this process once no daemon answers; people are told which."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router import Method, PolicyName, RoutingDecision
from vecroute import errors
from vecroute._calls import image_hash
from vecroute._client import Client
from vecroute.cli._host import ThisHost
from vecroute.cli._terminal import say

if TYPE_CHECKING:
    from models import HybridRouter, PolicyModel

# The daemon is not there, or no longer, or too busy: this process can decide as well as it can.
_GONE = (errors.DaemonUnavailable, errors.ShuttingDown, errors.Overloaded, errors.TimeoutExceeded)


class Asker:
    """A router for the converter and the commands. Threads may share one. `host` is what this process decides for."""

    def __init__(self, socket: Path | None = None, *, models: Path | None = None) -> None:
        self.host = ThisHost()
        self._lock = threading.Lock()
        self._models = models
        self._local: HybridRouter | None = None
        self._policies: dict[str, PolicyModel | None] = {}
        self._client: Client | None = None
        try:
            self._client = Client(socket)
        except errors.VecrouteError as exc:
            say(f"{exc}; deciding in this process")

    @property
    def by_daemon(self) -> bool:
        """Whether the daemon is asked."""
        return self._client is not None

    def route(
        self,
        image: bytes | os.PathLike[str],
        *,
        quality_target: float | None = None,
        time_budget: float | None = None,
        svg_budget: int | None = None,
        preferred: Iterable[Method] = (),
        avoided: Iterable[Method] = (),
        policy: PolicyName | None = None,
        method: Method | None = None,
    ) -> RoutingDecision:
        """Return the decision for an encoded image or an image file.

        Raises:
            VecrouteError, RouterError: the image or a value makes no sense.
            OSError: the file cannot be read.
        """
        given: dict[str, Any] = {
            "quality_target": quality_target,
            "time_budget": time_budget,
            "svg_budget": svg_budget,
            "preferred": tuple(preferred),
            "avoided": tuple(avoided),
            "policy": policy,
            "method": method,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        client = self._client
        if client is not None:
            try:
                return client.route(image, **wanted)
            except _GONE as exc:
                self._leave(client, exc)
            except errors.ClientClosed:
                if self._client is client:
                    raise  # `close` did it; else another thread left the daemon between our two lines
        return self.local.route(image, **wanted)

    def report(
        self, image: bytes, decision: RoutingDecision, *, quality: float, seconds: float, svg_bytes: int
    ) -> None:
        """Tell the daemon what a conversion gave; without one, this process learns how fast the host is."""
        client = self._client
        if client is None:
            self.host.learn_of_decision(decision.primary_method, measured=seconds, estimated=decision.estimated_seconds)
            return
        try:
            client.report(
                hash=image_hash(image),
                method=decision.primary_method,
                plan=decision.plan,
                # Base routing promises a constant; counted as a prediction it would blur how good those are.
                predicted_quality=None if decision.lane == "base" else decision.estimated_quality,
                predicted_seconds=decision.estimated_seconds or None,
                export_digest=None if decision.export is None else decision.export.digest,
                quality=quality,
                seconds=seconds,
                svg_bytes=svg_bytes,
            )
        except _GONE as exc:
            self._leave(client, exc)
        except errors.ClientClosed:
            if self._client is client:
                raise

    def plan_policy(self, decision: RoutingDecision) -> "PolicyModel | None":
        """Return the policy that refines the plan of a decision for `ppo`: that of the export that decided."""
        if decision.cache == "local":
            return self.local.export.policy
        digest = "" if decision.export is None else decision.export.digest
        with self._lock:
            if digest not in self._policies:
                from models import find_policy

                self._policies[digest] = find_policy(self._daemons_models(), digest)
            return self._policies[digest]

    def _daemons_models(self) -> Path:
        """Return the daemon's directory of exports; the packaged one where it does not say."""
        from models import DEFAULT_MODELS

        try:
            said = self._client.status().models_directory if self._client is not None else ""
        except errors.VecrouteError:
            said = ""
        return Path(said) if said else DEFAULT_MODELS

    @property
    def local(self) -> "HybridRouter":
        """The router of this process, loaded when it is first needed."""
        with self._lock:
            if self._local is None:
                from models import HybridRouter

                self._local = HybridRouter(self._models, host=self.host.now)
                for problem in self._local.problems:
                    say(problem)
            return self._local

    def close(self) -> None:
        """Close the connections to the daemon."""
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leave(self, client: Client, exc: errors.VecrouteError) -> None:
        """Ask the daemon no more; other threads may find that out at the same time."""
        with self._lock:
            first, self._client = self._client is client, None
        if first:
            say(f"{exc}; deciding in this process")
            client.close()
