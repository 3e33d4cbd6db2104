"""`python -m daemon`: every setting is a flag too; `vecroute serve` does the same."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from daemon.errors import SettingsError
from daemon.service import EXIT_SETTINGS, serve
from daemon.settings import NAMES, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings and serve; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon", description="Serve routing decisions on a Unix socket.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    for name in NAMES:
        parser.add_argument(f"--{name}", metavar="VALUE", help="see docs/settings.md")
    given = vars(parser.parse_args(arguments))
    config = given.pop("config")
    flags = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
    try:
        settings = load_settings(config, flags=flags)
    except SettingsError as error:
        print(f"vecroute: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
