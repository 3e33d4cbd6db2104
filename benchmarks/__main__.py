"""`python -m benchmarks`: measure every speed claim and print ratios; `--help` tells the options."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import eviction, route, shared_cache


def _ppo(arguments: Sequence[str]) -> int:
    # Imported where it is run: it brings what training needs.
    from benchmarks import ppo

    return ppo.main(arguments)


BENCHMARKS = {"route": route.main, "shared_cache": shared_cache.main, "eviction": eviction.main, "ppo": _ppo}
# These need the corpus beside the code, so they run where they are named.
NAMED_ONLY = frozenset({"ppo"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run those named, or all that need no corpus, one after another."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition(";")[0])
    parser.add_argument("name", nargs="*", help=f"which: {', '.join(BENCHMARKS)} (default: all but ppo)")
    parser.add_argument("--json", type=Path, metavar="DIR", help="also write the figures there, a file for each")
    parser.add_argument("--quick", action="store_true", help="less work, for a first look")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.name if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    if given.json is not None:
        given.json.mkdir(parents=True, exist_ok=True)
    for name in given.name or [name for name in BENCHMARKS if name not in NAMED_ONLY]:
        options = ["--quick"] * given.quick + ([f"--json={given.json / name}.json"] if given.json is not None else [])
        print(f"== {name}", flush=True)
        code = BENCHMARKS[name](options)
        if code:
            return code
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
