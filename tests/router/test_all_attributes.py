"""What the router shows to the world, and what importing it costs."""

import subprocess
import sys

import router

ALLOWED = {"msgspec", "router"}
PROBE = """
import sys
import msgspec
before = set(sys.modules)
import router
added = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(added - sys.stdlib_module_names))
"""


def test_all_lists_what_exists_in_order() -> None:
    names = [name for name in router.__all__ if not name.isupper()]
    assert names == sorted(names)
    assert all(hasattr(router, name) for name in router.__all__)
    public = {n for n, v in vars(router).items() if not n.startswith("_") and not isinstance(v, type(sys))}
    assert public == set(router.__all__)


def test_importing_the_router_needs_msgspec_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= ALLOWED


def test_a_decision_is_camel_case_on_the_wire() -> None:
    fields = router.RoutingDecision.__struct_encode_fields__
    assert {"primaryMethod", "fallbackMethods", "estimatedQuality", "colabTrained", "decidedAt"} <= set(fields)
