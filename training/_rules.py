"""The constants of the last fallback: what a trace costs per pixel, from the labels."""

import numpy as np

from router import FEATURE_NAMES, METHODS
from training._tables import Table


def rule_constants(table: Table) -> dict[str, float]:
    """Return the constants of `router/_rules.py`: seconds and bytes per traced pixel of the methods' candidates.

    Slopes are medians over large traces, fixed parts medians over small ones, margins the 95th percentile of measured
    over estimated; `refined_times` is the median of what refinements took over what their start plans alone should.
    """
    column = FEATURE_NAMES.index("image_area")
    run = np.flatnonzero(np.isin(table.origins, METHODS))
    upscale = np.array([table.plans[r].upscale for r in run])
    pixels = table.features[table.image_of[run], column].astype(np.float64) * upscale**2
    refined = table.origins[run] == "ppo"
    constants: dict[str, float] = {}
    for name, logs in (("seconds", table.log_seconds[run]), ("bytes", table.log_bytes[run])):
        measured, traced = np.exp(logs[~refined]), pixels[~refined]
        large, small = traced >= np.median(traced), traced <= np.percentile(traced, 10)
        slope = float(np.median(measured[large] / traced[large]))
        fixed = max(float(np.median(measured[small] - slope * traced[small])), 0.0)
        margin = float(np.percentile(measured / (fixed + slope * traced), 95))
        constants |= {f"{name}_fixed": fixed, f"{name}_per_pixel": slope, f"{name}_margin": margin}
    if refined.any():
        alone = constants["seconds_fixed"] + constants["seconds_per_pixel"] * pixels[refined]
        constants["refined_times"] = float(np.median(np.exp(table.log_seconds[run][refined]) / alone))
    return constants
