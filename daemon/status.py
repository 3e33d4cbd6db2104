"""The daemon in one frozen value, put together when somebody asks."""

import os
import time

from daemon.exports import Exports
from daemon.host import HostSampler
from daemon.keeper import Keeper
from daemon.outcomes import Outcomes
from daemon.routing import Routing
from daemon.settings import Settings
from router import METHODS
from vecroute._speed import AS_PREDICTED
from vecroute._version import __version__
from vecroute._wire import Status
from vecroute.errors import one_line


class Counters:
    """What is counted while the daemon runs."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.ready = False
        self.draining = False
        self.requests = 0
        self.errors = 0
        self.inflight = 0
        self.connections = 0


def status(
    settings: Settings,
    counters: Counters,
    exports: Exports,
    routing: Routing,
    cache: Keeper,
    outcomes: Outcomes,
    host: HostSampler,
) -> Status:
    """Return the state of this moment."""
    export = exports.current
    return Status(
        ready=counters.ready and not counters.draining,
        lane=export.lane,
        export=export.info,
        cache=cache.status(),
        requests=counters.requests,
        uptime_seconds=time.monotonic() - counters.started,
        version=__version__,
        pid=os.getpid(),
        errors=counters.errors,
        fallbacks=routing.fallbacks,
        outcomes=outcomes.status(),
        models_directory=one_line(str(settings.models)),
        export_problem=exports.problem,
        draining=counters.draining,
        connections=counters.connections,
        inflight=counters.inflight,
        truth=outcomes.truth(),
        speed=dict(zip(METHODS, host.now().speed or AS_PREDICTED, strict=True)),
    )
