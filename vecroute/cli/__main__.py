"""`python -m vecroute.cli` is `vecroute`."""

import sys

from vecroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
