"""The version of the whole distribution, said once."""

__version__ = "0.1.0"
