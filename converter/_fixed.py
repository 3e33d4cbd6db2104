"""Plans that are the same for every image: what people run today, and the best fixed recipe at three scales."""

from router import VTRACER_DEFAULTS, Plan

# The competitors that routing is compared with.
FIXED: dict[str, Plan] = {
    "defaults": VTRACER_DEFAULTS,
    "fixed_1x": Plan(upscale=1),
    "fixed_2x": Plan(upscale=2),
    "fixed_3x": Plan(upscale=3),
}
