"""A reliability diagram as inline SVG: what a map says, against what was judged."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from uninote.confidence.measures import Bin
from uninote.report.formats import share

SIZE = 300
LEFT, TOP = 56, 12
BOTTOM = 44
WIDTH = LEFT + SIZE + 24
HEIGHT = TOP + SIZE + BOTTOM
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def diagram(bins: Sequence[Bin]) -> Markup:
    """Draw a dot for each bin over the line on which a perfect map's dots would lie."""
    summary = ", ".join(f"{share(one.chance)} said and {share(one.share)} judged" for one in bins)
    content = _axes() + _line() + _dots(bins)
    shape = Markup(
        '<svg class="chart reliability" viewBox="0 0 {} {}" role="img" aria-label="Reliability: {}">{}</svg>'
    )
    return shape.format(WIDTH, HEIGHT, summary, content)


def _x(value: float) -> float:
    return LEFT + value * SIZE


def _y(value: float) -> float:
    return TOP + (1 - value) * SIZE


def _axes() -> Markup:
    drawn = Markup("")
    across = Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>')
    side = Markup('<text class="tick" text-anchor="end" x="{}" y="{:.1f}">{}</text>')
    below = Markup('<text class="tick" text-anchor="middle" x="{:.1f}" y="{}">{}</text>')
    for tick in _TICKS:
        drawn += across.format(LEFT, LEFT + SIZE, _y(tick))
        drawn += side.format(LEFT - 8, _y(tick) + 4, share(tick))
        drawn += below.format(_x(tick), TOP + SIZE + 18, share(tick))
    label = Markup(
        '<text class="label" text-anchor="middle" x="{}" y="{}">confidence; judged relevant to the left</text>'
    )
    return drawn + label.format(LEFT + SIZE / 2, HEIGHT - 6)


def _line() -> Markup:
    line = Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    return line.format(_x(0), _x(1), _y(0), _y(1))


def _dots(bins: Sequence[Bin]) -> Markup:
    drawn = Markup("")
    dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"><title>said {}, judged {}</title></circle>')
    for one in bins:
        drawn += dot.format(_x(one.chance), _y(one.share), share(one.chance), share(one.share))
    return drawn
