"""What vecroute shows to the world, and what importing it costs."""

import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import vecroute

NAMES = [
    "AsyncClient",
    "Client",
    "FourTierConverter",
    "HybridRouter",
    "Plan",
    "PredictReply",
    "RoutingDecision",
    "SharedCache",
    "Status",
    "VecrouteError",
    "__version__",
    "default_socket",
    "image_hash",
]
ALLOWED = {"msgspec", "router", "vecroute"}
PROBE = """
import sys
import msgspec
before = set(sys.modules)
import vecroute
added = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(added - sys.stdlib_module_names))
print("asyncio" in sys.modules)
vecroute.AsyncClient
print("asyncio" in sys.modules)
vecroute.SharedCache
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
"""


def test_all_is_these_names() -> None:
    assert vecroute.__all__ == NAMES
    assert set(NAMES) <= set(dir(vecroute))


def test_importing_loads_msgspec_and_the_standard_library_and_asyncio_only_when_asked() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    packages, before, after, with_cache = done.stdout.splitlines()
    assert set(packages.split()) <= ALLOWED
    assert set(with_cache.split()) <= ALLOWED
    assert (before, after) == ("False", "True")


@pytest.mark.parametrize(
    ("name", "home"),
    [("AsyncClient", "vecroute._async_client"), ("HybridRouter", "models"), ("FourTierConverter", "converter")],
)
def test_heavy_names_resolve_on_first_use(monkeypatch: pytest.MonkeyPatch, name: str, home: str) -> None:
    """Stand-ins for the homes: what those need is not this package's business."""
    module = types.ModuleType(home)
    monkeypatch.setattr(module, name, object(), raising=False)
    monkeypatch.setitem(sys.modules, home, module)
    assert getattr(vecroute, name) is getattr(module, name)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Hybrid'"):
        getattr(vecroute, "Hybrid")  # noqa: B009 - a plain access would be a useless expression


def test_the_version_is_the_distributions() -> None:
    project = tomllib.loads((Path(vecroute.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert vecroute.__version__ == project["version"]


def test_types_are_shipped() -> None:
    assert (Path(vecroute.__file__).parent / "py.typed").exists()
