"""Small charts of one kind beside each other, as inline SVG: figures over runs, and scores by rank."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from uninote.report.charts import ticks
from uninote.report.figures import Histogram, Trend
from uninote.report.formats import digits_for, figure, plural

WIDTH = 760
LEFT = 72
RIGHT = 24
ROW = 52
AXIS = 26
LINE_WIDTH = 240
LINE_HEIGHT = 36
MARGIN = 5


def trend_line(trend: Trend) -> Markup:
    """Draw a figure over runs, oldest first; a single run is a dot."""
    low = min(value for _, value in trend.points)
    high = max(value for _, value in trend.points)
    # Where all values are equal, the line is level.
    span = (high - low) or 1.0
    steps = max(1, len(trend.points) - 1)
    places = []
    dots = Markup("")
    dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="2.5"><title>{}: {}</title></circle>')
    for number, (run, value) in enumerate(trend.points):
        x = MARGIN + number / steps * (LINE_WIDTH - 2 * MARGIN)
        y = LINE_HEIGHT - MARGIN - (value - low) / span * (LINE_HEIGHT - 2 * MARGIN)
        places.append(f"{x:.1f},{y:.1f}")
        dots += dot.format(x, y, run, figure(trend.name, value))
    shape = Markup('<svg class="trend" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    label = f"{trend.name} over {plural(len(trend.points), 'run')}"
    return shape.format(
        LINE_WIDTH, LINE_HEIGHT, label, Markup('<polyline points="{}"/>').format(" ".join(places)) + dots
    )


def scores_by_rank(ranks: Mapping[int, Histogram]) -> Markup:
    """Draw the histograms of scores at some ranks below each other, on one axis, each as high as its highest bar."""
    rows = Markup("")
    for number, (rank, data) in enumerate(ranks.items()):
        rows += _rank_row(rank, data, number * ROW)
    floor = len(ranks) * ROW
    # Read aloud in the place of the drawing.
    medians = [f"rank {rank} median {data.quantile(0.5):.2f}" for rank, data in ranks.items()]
    summary = f"Scores by rank: {', '.join(medians)}"
    content = rows + _axis(next(iter(ranks.values())), floor)
    shape = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return shape.format(WIDTH, floor + AXIS, summary, content)


def _x(data: Histogram, value: float) -> float:
    return LEFT + (value - data.edges[0]) / (data.edges[-1] - data.edges[0]) * (WIDTH - LEFT - RIGHT)


def _rank_row(rank: int, data: Histogram, top: int) -> Markup:
    floor = top + ROW - 6
    most = max(1, *data.counts, 1)
    digits = digits_for(data.edges[1] - data.edges[0])
    bar = Markup(
        '<rect class="bar" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{} to {}: {}</title></rect>'
    )
    drawn = Markup('<text class="tick" text-anchor="end" x="{}" y="{}">rank {}</text>').format(LEFT - 10, floor, rank)
    for low, high, number in zip(data.edges, data.edges[1:], data.counts, strict=False):
        height = number / most * (ROW - 14)
        shape = (_x(data, low), floor - height, max(_x(data, high) - _x(data, low) - 1, 0.5), height)
        drawn += bar.format(*shape, f"{low:.{digits}f}", f"{high:.{digits}f}", plural(number, "note"))
    line = Markup('<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(LEFT, WIDTH - RIGHT, floor)
    middle = Markup('<line class="median" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>')
    return drawn + line + middle.format(_x(data, data.quantile(0.5)), top + 4, floor)


def _axis(data: Histogram, top: int) -> Markup:
    values = ticks(data.edges[0], data.edges[-1])
    digits = digits_for(values[1] - values[0]) if len(values) > 1 else digits_for(data.edges[-1] - data.edges[0])
    tick = Markup('<text class="tick" text-anchor="middle" x="{:.1f}" y="{}">{}</text>')
    drawn = Markup("")
    for value in values:
        drawn += tick.format(_x(data, value), top + 12, f"{value:.{digits}f}")
    return drawn
