"""`python -m benchmarks`: measure every speed claim and print ratios; `--help` tells the options."""

import sys

from benchmarks.route import main

if __name__ == "__main__":
    sys.exit(main())
