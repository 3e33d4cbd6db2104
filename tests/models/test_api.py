"""The package shows these names and no others, and never lets the runtime report to its vendor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import models


def test_the_public_names_are_pinned() -> None:
    assert set(models.__all__) == {
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
    }
    assert all(hasattr(models, name) for name in models.__all__)


CHECK = """
import json, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))

seen = []
sys.meta_path.insert(0, Watch())
import models
print(json.dumps([seen, sorted({"torch", "sklearn", "onnx"} & set(sys.modules))]))
"""


def test_telemetry_is_off_before_the_runtime_is_imported_and_nothing_heavy_comes_along() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    seen, heavy = json.loads(done.stdout)
    assert seen == ["1"]
    assert heavy == []
