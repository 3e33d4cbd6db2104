"""daemon waits, reads and writes: one process that answers `io.github.vecroute.Router` on a Unix socket."""

import os

# Must be set before ONNX Runtime is loaded for the first time: its Linux builds report to their vendor otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from daemon.errors import DaemonError, SettingsError
from daemon.service import serve
from daemon.settings import Settings, load_settings

__all__ = ["DaemonError", "Settings", "SettingsError", "load_settings", "serve"]
