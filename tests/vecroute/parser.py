"""The third-party interface parser; its own source makes Python warn when it is first compiled."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from varlink import scanner

__all__ = ["scanner"]
