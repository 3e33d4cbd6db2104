"""What all tests share: generated cases are the same in every run."""

from hypothesis import settings

# Deadlines measure the machine, not the code; a shared two-core host would fail them at random.
settings.register_profile("vecroute", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("vecroute")
