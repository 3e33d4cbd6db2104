"""A decision as a card: its cell, why it lost, both drawings beside the image, and predicted beside measured."""

import base64
from collections.abc import Callable
from html import escape
from pathlib import PurePath

from vecroute.cli._demo_page import plan_in_short
from vecroute.cli._measuring import Choice, Run
from vecroute.cli._report_reasons import KINDS
from vecroute.cli._report_worst import Decision, Pictures, pictures
from vecroute.cli._terminal import kilobytes, milliseconds

# Images narrower than this are shown whole with their pixels sharp; larger ones only in the enlarged region.
SHARP_BELOW = 160


def card(number: int, one: Decision) -> str:
    """Return a decision as an article."""
    seen = pictures(one)
    kind = KINDS[one.loss.kind]
    chosen = _views(seen, seen.chosen, seen.chosen_crop, "the chosen")
    return f"""<article>
<h3><span class="rank">{number}</span> {escape(PurePath(one.choice.image).name)}
<small>{seen.width} &times; {seen.height} px</small></h3>
<p class="plan">{escape(one.chosen.family)} &middot; {_cell(one.choice)}</p>
<p class="loss"><b>{one.regret:.3f}</b> utility lost: {escape(kind)}. {escape(one.loss.text)}</p>
<div class="columns">
<figure><figcaption>Image</figcaption>{_views(seen, seen.image, seen.image_crop, "the image", marked=True)}</figure>
<figure class="before"><figcaption>Chosen</figcaption>{chosen}</figure>
<figure class="after"><figcaption>Best</figcaption>{_views(seen, seen.best, seen.best_crop, "the best")}</figure>
</div>
<div class="runs">{_run("before", "Chosen", one.chosen)}{_run("after", "Best", one.best)}</div>
</article>
"""


def _cell(choice: Choice) -> str:
    """Return what was asked for, in words."""
    asked = [
        "no target" if choice.quality_target is None else f"target {choice.quality_target:.2f}",
        "any time" if choice.time_budget is None else f"in {milliseconds(choice.time_budget)}",
        "any size" if choice.svg_budget is None else f"at most {kilobytes(choice.svg_budget)}",
    ]
    return ", ".join(asked)


def _views(seen: Pictures, whole: bytes, crop: bytes, alt: str, *, marked: bool = False) -> str:
    ground = "on-light" if seen.ground else "on-dark"
    region = f"aspect-ratio:{seen.box.width / seen.box.height:.5f}"
    enlarged = f'''<div class="crop {ground}" style="{region}">
<img class="sharp" src="{_png(crop)}" alt="{alt}, enlarged"></div>'''
    if (seen.box.width, seen.box.height) == (seen.width, seen.height):
        return enlarged
    sharp = "sharp" if max(seen.width, seen.height) < SHARP_BELOW else ""
    mark = _mark(seen) if marked else ""
    return f"""<div class="frame {ground}"><div class="picture" style="--ratio:{seen.width / seen.height:.5f}">
<img class="{sharp}" src="{_png(whole)}" alt="{alt}">{mark}</div></div>
{enlarged}"""


def _mark(seen: Pictures) -> str:
    left, top = 100 * seen.box.left / seen.width, 100 * seen.box.top / seen.height
    wide, high = 100 * seen.box.width / seen.width, 100 * seen.box.height / seen.height
    return f'<i class="box" style="left:{left:.2f}%;top:{top:.2f}%;width:{wide:.2f}%;height:{high:.2f}%"></i>'


def _run(kind: str, role: str, run: Run) -> str:
    rows = (
        _figure("quality", run.quality, run.predicted_quality, None, lambda value: f"{value:.3f}"),
        _figure("time", run.seconds, run.predicted_seconds, run.predicted_seconds_high, milliseconds),
        _figure("size", run.svg_bytes, run.predicted_svg_bytes, run.predicted_svg_bytes_high, kilobytes),
    )
    return (
        f'<div><p class="name"><b class="{kind}">{role}</b> {escape(run.candidate)}'
        f"<small>{escape(plan_in_short(run.plan))}</small></p>"
        '<table class="said"><thead><tr><td></td><th scope="col">measured</th><th scope="col">predicted</th></tr>'
        "</thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figure(
    name: str, measured: float | None, said: float | None, high: float | None, show: Callable[[float], str]
) -> str:
    bound = "" if high is None else f"<small>&le; {show(high)}</small>"
    return (
        f'<tr><th scope="row">{name}</th><td>{"failed" if measured is None else show(measured)}</td>'
        f"<td>{'-' if said is None else show(said)}{bound}</td></tr>"
    )


def _png(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
