"""vecroute asks the routing daemon how to turn a raster logo into SVG; importing it loads msgspec and no more.

`HybridRouter` and `FourTierConverter` work without a daemon. They, `AsyncClient` and `SharedCache` are loaded on
first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from router import Plan, RoutingDecision
from vecroute._calls import image_hash
from vecroute._client import Client
from vecroute._paths import default_socket
from vecroute._version import __version__
from vecroute._wire import PredictReply, Status
from vecroute.errors import VecrouteError

if TYPE_CHECKING:
    from vecroute._async_client import AsyncClient
    from vecroute._shared_cache import SharedCache

__all__ = [
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

# Two live in packages above this one and need numpy, ONNX Runtime and the tracer; asyncio takes 30 ms to load.
_LAZY = {
    "AsyncClient": "vecroute._async_client",
    "SharedCache": "vecroute._shared_cache",
    "HybridRouter": "models",
    "FourTierConverter": "converter",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
