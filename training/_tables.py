"""Labels as arrays: one row per image (features, thumbnail), one row per run (plan, measured figures)."""

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from router import FEATURE_NAMES, Plan
from training._run import THUMBNAIL, Label

Array = NDArray[np.float32]
Numbers = TypeVar("Numbers", NDArray[np.float32], NDArray[np.float64])
DIGITS = 6  # of means and deviations in a manifest

# Features whose range spans decades: their logarithm is what models see.
LOG_FEATURES = (
    "unique_colors",
    "file_size",
    "image_area",
    "aspect_ratio",
    "palette_size",
    "gradient_strength",
    "noise_level",
    "corner_density",
    "part_density",
    "short_side",
    "corners_in_four",
    "corners_in_sixteen",
    "lost_in_four_1x",
    "lost_in_eight_1x",
    "lost_in_sixteen_1x",
    "lost_in_eight_2x",
    "lost_in_four_4x",
    "lost_in_eight_4x",
    "lost_in_sixteen_4x",
    "lost_alpha_2x",
    "lost_alpha_4x",
    "lost_drawn_in_three_2x",
    "lost_drawn_in_four_2x",
    "lost_drawn_in_eight_2x",
    "lost_drawn_in_sixteen_2x",
    "lost_drawn_in_three_4x",
    "lost_drawn_in_four_4x",
    "lost_drawn_in_eight_4x",
    "lost_drawn_in_sixteen_4x",
)
# Plan parameters as the predictor sees them: words by code, the upscale step by its logarithm.
LOG2_COLUMNS = ("upscale",)
PLAN_CODES: dict[str, dict[str, float]] = {
    "matte": {"binary": 0.0, "bands": 1.0, "none": 2.0},
    "mode": {"polygon": 0.0, "spline": -1.0, "none": 1.0, "smooth": 2.0},
    # A plan gives the same whoever names it, but for `ppo`, which goes on from there.
    "method": {"performance": 0.0, "feature_mapping": 0.0, "regression": 0.0, "ppo": 1.0},
}


class Table:
    """Labels in columns. `image_of[r]` is the image a run belongs to; seconds and bytes are natural logarithms."""

    def __init__(self, labels: Iterable[Label]) -> None:
        kept = [label for label in labels if label.runs]
        self.labels = kept
        self.features = np.array([label.features.vector() for label in kept], dtype=np.float32)
        self.splits = np.array([label.spec.split for label in kept])
        self.families = np.array([label.spec.family for label in kept])
        self.thumbnails = np.stack(
            [np.frombuffer(label.thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL, 4) for label in kept]
        )
        runs = [(index, run) for index, label in enumerate(kept) for run in label.runs]
        self.image_of = np.array([index for index, _ in runs])
        self.origins = np.array([run.origin for _, run in runs])
        self.plans = [run.plan for _, run in runs]
        self.quality = np.array([run.quality for _, run in runs], dtype=np.float32)
        self.log_seconds = np.log(np.array([max(run.seconds, 1e-5) for _, run in runs], dtype=np.float32))
        self.log_bytes = np.log(np.array([run.svg_bytes for _, run in runs], dtype=np.float32))

    def __len__(self) -> int:
        return len(self.image_of)

    def plan_rows(self) -> Array:
        """Return each run's plan as numbers, [runs, plan columns]."""
        rows = [plan_row(plan, origin) for plan, origin in zip(self.plans, self.origins, strict=True)]
        return np.array(rows, dtype=np.float32)

    def scaled_features(self) -> Array:
        """Return the features with logarithms taken, [images, features]."""
        return log_scaled(self.features)


def log_scaled(features: Numbers, names: tuple[str, ...] = FEATURE_NAMES) -> Numbers:
    """Return features with log1p applied to the columns that span decades."""
    out = features.copy()
    for column, name in enumerate(names):
        if name in LOG_FEATURES:
            out[:, column] = np.log1p(out[:, column])
    return out


def plan_row(plan: Plan, origin: str = "regression") -> list[float]:
    """Return a plan as numbers of order one, in the order of `PLAN_COLUMNS`; an origin that is no method is any."""
    method = origin if origin in PLAN_CODES["method"] else "regression"
    return [
        _coded(name, method if name == "method" else getattr(plan, name)) / scale
        for name, scale in PLAN_COLUMNS.items()
    ]


# Column -> what it is divided by.
PLAN_COLUMNS: dict[str, float] = {
    "upscale": 2.0,
    "matte": 1.0,
    "palette": 64.0,
    "denoise": 3.0,
    "mode": 1.0,
    "color_precision": 8.0,
    "filter_speckle": 8.0,
    "layer_difference": 64.0,
    "corner_threshold": 100.0,
    "length_threshold": 10.0,
    "splice_threshold": 100.0,
    "path_precision": 8.0,
    "method": 1.0,
}


def _coded(name: str, value: Any) -> float:
    if name in PLAN_CODES:
        return PLAN_CODES[name][value]
    return math.log2(value) if name in LOG2_COLUMNS else float(value)
