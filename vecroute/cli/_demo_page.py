"""The demonstration's page: one file that holds everything, needs no script and reads in light and dark."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePath
from statistics import fmean

import msgspec

from router import Plan, RoutingDecision
from vecroute.cli._demo_pictures import Box
from vecroute.cli._terminal import kilobytes, milliseconds

STYLE = Path(__file__).with_name("demo.css")
MOST_HEROES = 3
# The chart's left end: no quality of the examples lies below it by much, and those that do stand at the edge.
CHART_LOW = 0.5
# Images narrower than this are shown with their pixels sharp: that is what they are.
PIXELATED_BELOW = 100
_MODES = {"polygon": "polygons", "spline": "splines", "none": "pixel edges", "smooth": "smooth edges"}
_MATTES = {"none": "alpha ignored", "binary": "alpha cut at one half", "bands": "soft alpha in layers"}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What every image of the demonstration was asked for."""

    quality_target: float
    time_budget: float


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """One way an image became SVG; `crop`, `wide_crop` and `difference` are PNG files.

    `ink` is the area it covers, divided by the area that the image covers.
    """

    svg: str
    quality: float
    seconds: float
    svg_bytes: int
    path_count: int
    ink: float
    crop: bytes
    wide_crop: bytes
    difference: bytes


class Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """One example image with both drawings; image and crops are PNG files, `ground` is the grey it shows on."""

    name: str
    image: bytes
    width: int
    height: int
    ground: int
    box: Box
    crop: bytes
    wide_crop: bytes
    transparent: bool
    defaults: Drawing
    ours: Drawing
    decision: RoutingDecision

    @property
    def gain(self) -> float:
        """How much better the routed drawing is."""
        return self.ours.quality - self.defaults.quality

    @property
    def title(self) -> str:
        """The file's name as words."""
        return PurePath(self.name).stem.replace("-", " ")


def page(exhibits: Sequence[Exhibit], request: Request) -> str:
    """Return the whole page."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>vecroute: {len(exhibits)} logos, beside plain VTracer</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
{_header(exhibits, request)}
<main>
{_heroes(exhibits)}
{_chart(exhibits)}
<section>
<h2>Every image</h2>
<p class="lead">Whole, enlarged where the defaults are furthest off, and the difference from the image in
<b class="mark">red</b>.</p>
<div class="cards">
{"".join(map(_card, exhibits))}
</div>
</section>
</main>
</body>
</html>
"""


def plan_in_short(plan: Plan) -> str:
    """Return the parts of a plan that make it different, in words."""
    parts = [f"traced at {plan.upscale}x", _MODES[plan.mode], _MATTES[plan.matte]]
    if plan.palette:
        parts.append(f"{plan.palette} colours")
    if plan.denoise:
        parts.append(f"denoised ({plan.denoise})")
    return ", ".join(parts)


def _header(exhibits: Sequence[Exhibit], request: Request) -> str:
    plain, ours = [one.defaults for one in exhibits], [one.ours for one in exhibits]
    quality = fmean(d.quality for d in plain), fmean(d.quality for d in ours)
    size = fmean(d.svg_bytes for d in plain), fmean(d.svg_bytes for d in ours)
    seconds = fmean(d.seconds for d in plain), fmean(d.seconds for d in ours)
    better = sum(one.gain > 0 for one in exhibits)
    asked = f"quality {request.quality_target:g} within {milliseconds(request.time_budget)}"
    tiles = (
        _tile("Mean quality", f"{quality[0]:.3f}", f"{quality[1]:.3f}", "SSIM against the image, 1 is identical"),
        _tile("Error left", f"{1 - quality[0]:.3f}", f"{1 - quality[1]:.3f}", _times(1 - quality[0], 1 - quality[1])),
        _tile("Mean size", kilobytes(size[0]), kilobytes(size[1]), _times(*size)),
        _tile("Mean time", milliseconds(seconds[0]), milliseconds(seconds[1]), "from decoded pixels to SVG text"),
    )
    return f"""<header>
<h1>vecroute</h1>
<p>{len(exhibits)} real images, each converted as the daemon decided when asked for {asked}, beside what plain VTracer
makes of them with its defaults. {better} of {len(exhibits)} came out closer to the image. {_served_by(exhibits)}</p>
<dl class="tiles">{"".join(tiles)}</dl>
</header>"""


def _served_by(exhibits: Sequence[Exhibit]) -> str:
    decision = exhibits[0].decision
    if decision.lane == "base" or decision.export is None:
        return "No trained predictor served: base routing chose."
    return f"Predictions by {escape(decision.export.name)} {escape(decision.export.version)}, lane {decision.lane}."


def _tile(name: str, before: str, after: str, note: str) -> str:
    return (
        f'<div><dt>{name}</dt><dd><span class="before">{before}</span><span class="arrow" aria-label="becomes">'
        f'&rarr;</span><span class="after">{after}</span></dd><dd class="note">{note}</dd></div>'
    )


def _times(before: float, after: float) -> str:
    if after <= 0 or before <= 0:
        return ""
    return f"{before / after:.1f} times less" if before >= after else f"{after / before:.1f} times more"


def _heroes(exhibits: Sequence[Exhibit]) -> str:
    """Return the transparent images that the defaults spoil most, wordmarks first, enlarged side by side."""
    transparent = [one for one in exhibits if one.transparent]
    ranked = sorted(transparent, key=lambda one: ("wordmark" not in one.name, -one.gain))
    rows = "".join(
        f"""<tr><th scope="row"><a href="#{_anchor(one)}">{escape(one.title)}</a></th>
<td>{_crop(one.wide_crop, one, "the image", sharp=True)}<span class="q">{one.width} &times; {one.height} px</span></td>
<td>{_crop(one.defaults.wide_crop, one, "plain defaults")}{_verdict("before", one.defaults)}</td>
<td>{_crop(one.ours.wide_crop, one, "vecroute")}{_verdict("after", one.ours)}</td></tr>"""
        for one in ranked[:MOST_HEROES]
    )
    if not rows:
        return ""
    return f"""<section>
<h2>Transparent wordmarks</h2>
<p class="lead">VTracer takes every pixel that is not fully transparent as opaque, so anti-aliased letters come out fat:
more ink than the image has. A routed plan handles alpha first.</p>
<table class="heroes">
<thead><tr><td></td><th scope="col">The image, enlarged</th><th scope="col">Plain defaults</th>
<th scope="col">vecroute</th></tr></thead>
<tbody>{rows}</tbody>
</table>
</section>"""


def _verdict(kind: str, drawing: Drawing) -> str:
    return f'<span class="q {kind}"><b>{drawing.quality:.3f}</b> {drawing.ink - 1:+.0%} ink</span>'


def _chart(exhibits: Sequence[Exhibit]) -> str:
    rows = "".join(
        f'<li><a href="#{_anchor(one)}">{escape(one.title)}</a><span class="track">'
        f'<i class="span" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
        f'<i class="dot before" style="left:{_x(one.defaults.quality):.2f}%"></i>'
        f'<i class="dot after" style="left:{_x(one.ours.quality):.2f}%"></i></span>'
        f'<span class="before">{one.defaults.quality:.3f}</span><span class="after">{one.ours.quality:.3f}</span></li>'
        for one in exhibits
        for low, high in [sorted((_x(one.defaults.quality), _x(one.ours.quality)))]
    )
    ticks = "".join(f'<i style="left:{_x(q):.2f}%">{q:.1f}</i>' for q in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    return f"""<section>
<h2>Quality, image by image</h2>
<p class="lead"><span class="key"><i class="dot before"></i>plain defaults</span>
<span class="key"><i class="dot after"></i>vecroute</span></p>
<ol class="chart">{rows}<li class="axis" aria-hidden="true"><span></span><span class="track">{ticks}</span></li></ol>
</section>"""


def _x(quality: float) -> float:
    """Return a quality's place on the chart, percent from the left."""
    return 100 * (max(quality, CHART_LOW) - CHART_LOW) / (1 - CHART_LOW)


def _card(one: Exhibit) -> str:
    decision = one.decision
    predicted = "" if decision.lane == "base" else f"{decision.estimated_quality:.3f}"
    sharp = max(one.width, one.height) < PIXELATED_BELOW
    image = _data("image/png", one.image)
    whole = f'<img class="{"sharp" if sharp else ""}" src="{image}" alt="the image {escape(one.name)}">'
    return f"""<article id="{_anchor(one)}">
<h3>{escape(one.title)} <small>{one.width} &times; {one.height} px</small></h3>
<p class="plan"><b>{escape(decision.primary_method)}</b> {escape(plan_in_short(decision.plan))}</p>
<div class="columns">
<figure><figcaption>Image</figcaption>
{_whole(one, whole + _frame_of(one))}{_crop(one.crop, one, "enlarged", sharp=True)}
<p class="legend">The marked square, enlarged. Beside: what differs in the whole image.</p></figure>
{_column("Plain defaults", "before", one, one.defaults)}
{_column("vecroute", "after", one, one.ours, predicted)}
</div>
<p class="why">{escape(decision.reasoning)}.</p>
</article>
"""


def _column(title: str, kind: str, one: Exhibit, drawing: Drawing, predicted: str = "") -> str:
    svg = _data("image/svg+xml", drawing.svg.encode())
    said = f'<div class="wide"><dt>predicted</dt><dd>{predicted}</dd></div>' if predicted else ""
    return f"""<figure class="{kind}"><figcaption>{title}</figcaption>
{_whole(one, f'<img src="{svg}" alt="{title}">')}{_crop(drawing.crop, one, f"{title}, enlarged")}
<div class="frame plain">{_picture(one, f'<img src="{_data("image/png", drawing.difference)}" alt="difference">')}</div>
<dl><div class="quality"><dt>quality</dt><dd>{drawing.quality:.3f}</dd></div>{said}
<div><dt>time</dt><dd>{milliseconds(drawing.seconds)}</dd></div>
<div><dt>size</dt><dd>{kilobytes(drawing.svg_bytes)}</dd></div>
<div><dt>paths</dt><dd>{drawing.path_count:,}</dd></div></dl></figure>"""


def _whole(one: Exhibit, inner: str) -> str:
    return f'<div class="frame {_ground(one)}">{_picture(one, inner)}</div>'


def _picture(one: Exhibit, inner: str) -> str:
    """Return something the shape of the image, as large as its frame allows."""
    return f'<div class="picture" style="--ratio:{one.width / one.height:.5f}">{inner}</div>'


def _frame_of(one: Exhibit) -> str:
    """Return the mark around the region that is enlarged."""
    left, top = 100 * one.box.left / one.width, 100 * one.box.top / one.height
    wide, high = 100 * one.box.width / one.width, 100 * one.box.height / one.height
    return f'<i class="box" style="left:{left:.2f}%;top:{top:.2f}%;width:{wide:.2f}%;height:{high:.2f}%"></i>'


def _crop(picture: bytes, one: Exhibit, alt: str, *, sharp: bool = False) -> str:
    kind = "sharp" if sharp else ""
    return (
        f'<div class="crop {_ground(one)}"><img class="{kind}" src="{_data("image/png", picture)}" '
        f'alt="{escape(one.title)}: {escape(alt)}"></div>'
    )


def _ground(one: Exhibit) -> str:
    return "on-light" if one.ground else "on-dark"


def _anchor(one: Exhibit) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in one.name)


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
