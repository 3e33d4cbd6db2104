"""Measured images made by hand: runs whose figures a test knows, and the same choice in every cell."""

from typing import Any

import msgspec

from converter._fixed import FIXED
from converter._grid import GRID
from router import Plan
from tests.router.drawings import disc, encoded
from vecroute.cli._evaluation import weigh
from vecroute.cli._measuring import Choice, Kept, Measured, Run

# Quality and seconds of each candidate; the fixed plans beside two methods' ladders.
FIGURES = {
    "defaults": (0.80, 0.01),
    "fixed_1x": (0.85, 0.01),
    "fixed_2x": (0.90, 0.05),
    "fixed_3x": (0.92, 0.12),
    "performance@1x": (0.84, 0.008),
    "regression@2x": (0.93, 0.04),
    "regression@4x": (0.97, 0.2),
}
IMAGE = encoded(disc(alpha=True))
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"><rect width="50" height="96" fill="#a00"/></svg>'


def made_run(candidate: str, **changes: Any) -> Run:
    """Return a run with its figures from the table; methods' candidates are predicted exactly, with some room above."""
    quality, seconds = FIGURES[candidate]
    method = candidate.partition("@")[0]
    values: dict[str, Any] = {
        "image": "in/a.png",
        "family": "birds",
        "method": method,
        "candidate": candidate,
        "plan": FIXED.get(candidate) or Plan(upscale=int(candidate[-2])),
        "quality": quality,
        "seconds": seconds,
        "svg_bytes": 4000,
        "path_count": 9,
        "width": 96,
        "height": 96,
    }
    if candidate not in FIXED:
        values |= {
            "predicted_quality": quality,
            "predicted_quality_error": 0.01,
            "predicted_seconds": seconds,
            "predicted_seconds_high": seconds * 1.5,
            "predicted_svg_bytes": 4000.0,
            "predicted_svg_bytes_high": 6000.0,
        }
    return Run(**values | changes)


def made_choice(candidate: str, **changes: Any) -> Choice:
    """Return a choice that is not weighed yet."""
    quality, seconds = FIGURES[candidate]
    values: dict[str, Any] = {
        "image": "in/a.png",
        "quality_target": None,
        "time_budget": None,
        "svg_budget": None,
        "method": candidate.partition("@")[0],
        "candidate": candidate,
        "predicted_quality": quality,
        "predicted_seconds": seconds,
        "predicted_svg_bytes": 4000.0,
    }
    return Choice(**values | changes)


def made(
    image: str = "in/a.png", chosen: str = "regression@2x", family: str = "birds", *, keep: bool = False, **runs: Any
) -> Measured:
    """Return a weighed image; `runs` changes all runs, `<candidate>` with `@` as `_` only that one."""
    own = {name: runs.pop(name.replace("@", "_"), {}) for name in FIGURES}
    all_runs = tuple(made_run(name, **{"image": image, "family": family} | runs | own[name]) for name in FIGURES)
    choices = tuple(
        made_choice(
            chosen,
            image=image,
            quality_target=cell.quality_target,
            time_budget=cell.time_budget,
            svg_budget=cell.svg_budget,
        )
        for cell in GRID
    )
    return weigh(
        Measured(
            runs=all_runs,
            choices=choices,
            lane="onnx",
            export="test 1",
            source=any(run.fidelity_4x is not None for run in all_runs),
            kept=Kept(IMAGE, dict.fromkeys(FIGURES, SVG)) if keep else None,
        )
    )


def failed(run: Run) -> Run:
    """Return a run as one that failed."""
    return msgspec.structs.replace(
        run, quality=None, seconds=None, svg_bytes=None, path_count=None, width=None, height=None, error="panic"
    )
