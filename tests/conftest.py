"""What all tests share: generated cases are the same in every run."""

import os

from hypothesis import settings

# OpenMP's threads spin where they wait for each other, for minutes beside those of other tests.
os.environ["OMP_NUM_THREADS"] = "1"

# Deadlines measure the machine, not the code; a shared two-core host would fail them at random.
settings.register_profile("vecroute", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("vecroute")
