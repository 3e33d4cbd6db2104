"""models turns the files of an export into predictions: load, check, run."""

import os

# Linux builds of ONNX Runtime report model names to their vendor unless this is set before the library initialises.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from models._export import Export
from models._hybrid import HybridRouter
from models._lanes import Cancel
from models._load import builtin, load_export
from models._policy import PlanPolicy, PolicyModel, load_policy
from models._repository import DEFAULT_MODELS, FoundExport, Loaded, find_exports, find_policy, load_newest

__all__ = [
    "DEFAULT_MODELS",
    "Cancel",
    "Export",
    "FoundExport",
    "HybridRouter",
    "Loaded",
    "PlanPolicy",
    "PolicyModel",
    "builtin",
    "find_exports",
    "find_policy",
    "load_export",
    "load_newest",
    "load_policy",
]
