"""How fast this host converts, learnt by a process that decides for itself; the daemon learns likewise from reports."""

import threading
import time

from router import METHODS, Host, Method
from vecroute._learnt_speed import Speed
from vecroute._speed import AS_PREDICTED


class ThisHost:
    """The host as its own conversions show it. Threads may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._speed = Speed()

    def now(self) -> Host:
        """Return the host for a decision: the time and the speed, not the load."""
        return Host(now=time.time(), speed=self.speed())

    def speed(self) -> tuple[float, ...]:
        """Return `router.Host.speed` of this moment."""
        with self._lock:
            return self._speed.at(time.monotonic())

    def learn(self, method: Method, *, measured: float, predicted: float) -> None:
        """Learn from a conversion; `predicted` are the predictor's own seconds."""
        with self._lock:
            self._speed.add(method, measured=measured, predicted=predicted, now=time.monotonic())

    def learn_of_decision(self, method: Method, *, measured: float, estimated: float) -> None:
        """Learn from a conversion that was decided here; its estimate had about the speed of now in it already."""
        ratio = (self.speed() or AS_PREDICTED)[METHODS.index(method)]
        self.learn(method, measured=measured, predicted=estimated / ratio)
