"""daemon waits, reads and writes: one process that answers `io.github.vecroute.Router` on a Unix socket."""

import importlib
import os
import sys

# Must be set before ONNX Runtime is loaded for the first time: its Linux builds report to their vendor otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Where rich is installed, structlog loads it to draw tracebacks, and ours are plain (`daemon.logs`). That would take a
# tenth of the time until READY.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment] # what stands so is told to be absent
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]

from daemon.errors import DaemonError, SettingsError
from daemon.service import serve
from daemon.settings import Settings, load_settings

__all__ = ["DaemonError", "Settings", "SettingsError", "load_settings", "serve"]
