"""Charts as inline SVG. Colours come from the page's style sheet, so that they follow light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from uninote.report.figures import Histogram, WidthRecall
from uninote.report.formats import count, digits_for, plural, recall

WIDTH = 760
HEIGHT = 240
# Room for the axes
LEFT = 64
RIGHT = 36
TOP = 26
BOTTOM = 48
ROW = 30
BAR_LEFT = 72
BAR_RIGHT = 72


def histogram(data: Histogram, label: str) -> Markup:
    """Draw the histogram of scores; `label` names the horizontal axis."""
    digits = digits_for(data.edges[1] - data.edges[0])
    rows = [_horizontal_lines(data), _bars(data, digits), _axis(data), _axis_labels(label)]
    summary = (
        f"Histogram of {plural(data.total, 'note')} by {label}: lowest {data.quantile(0.0):.{digits}f}, "
        f"median {data.quantile(0.5):.{digits}f}, highest {data.quantile(1.0):.{digits}f}"
    )
    return _svg(WIDTH, HEIGHT, summary, Markup("").join(rows))


def recall_bars(widths: Sequence[WidthRecall]) -> Markup:
    """Draw one horizontal bar from 0 to 1 for each width."""
    rows = []
    shown = []
    for number, row in enumerate(widths):
        rows.append(_recall_bar(row, ROW * number))
        shown.append(f"w{row.width} {recall(row.recall)}")
    summary = f"Recall by width: {', '.join(shown)}"
    return _svg(WIDTH, ROW * len(widths), summary, Markup("").join(rows))


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Return about `wanted` round values within [low, high], whose step is 1, 2 or 5 times a power of ten."""
    step = _round_step((high - low) / wanted)
    # A round value at an end of the range is inside it, whatever division made of its last bits.
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    for factor in (1, 2, 5):
        if step <= factor * power * (1 + 1e-9):
            return power * factor
    return power * 10


def _svg(width: int, height: int, summary: str, content: Markup) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, summary, content
    )


def _x(data: Histogram, value: float) -> float:
    low = data.edges[0]
    high = data.edges[-1]
    return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _y(data: Histogram, value: float) -> float:
    return HEIGHT - BOTTOM - value / max(1, *data.counts, 1) * (HEIGHT - TOP - BOTTOM)


def _horizontal_lines(data: Histogram) -> Markup:
    line = Markup(
        '<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
        '<text class="tick" text-anchor="end" x="{3}" y="{4:.1f}">{5}</text>'
    )
    drawn = []
    for value in ticks(0, max(1, *data.counts, 1), 4):
        # Counts of notes are whole numbers.
        if value == round(value):
            y = _y(data, value)
            drawn.append(line.format(LEFT, WIDTH - RIGHT, y, LEFT - 8, y + 4, count(round(value))))
    return Markup("").join(drawn)


def _bars(data: Histogram, digits: int) -> Markup:
    bar = Markup(
        '<rect class="bar" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{} to {}: {}</title></rect>'
    )
    drawn = []
    for low, high, number in zip(data.edges, data.edges[1:], data.counts, strict=False):
        left = _x(data, low)
        right = _x(data, high)
        top = _y(data, number)
        # One unit of room between bars, but a bar of a narrow bin stays visible.
        shape = (left, top, max(right - left - 1, 0.5), HEIGHT - BOTTOM - top)
        drawn.append(bar.format(*shape, f"{low:.{digits}f}", f"{high:.{digits}f}", plural(number, "note")))
    return Markup("").join(drawn)


def _axis(data: Histogram) -> Markup:
    values = ticks(data.edges[0], data.edges[-1])
    digits = digits_for(values[1] - values[0]) if len(values) > 1 else digits_for(data.edges[-1] - data.edges[0])
    tick = Markup(
        '<line class="axis" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
        '<text class="tick" text-anchor="middle" x="{0:.1f}" y="{3}">{4}</text>'
    )
    floor = HEIGHT - BOTTOM
    line = Markup('<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>')
    drawn = [line.format(LEFT, WIDTH - RIGHT, floor)]
    for value in values:
        drawn.append(tick.format(_x(data, value), floor, floor + 5, floor + 19, f"{value:.{digits}f}"))
    return Markup("").join(drawn)


def _axis_labels(label: str) -> Markup:
    middle = (LEFT + WIDTH - RIGHT) / 2
    text = Markup('<text class="label" text-anchor="{}" x="{}" y="{}">{}</text>')
    return text.format("middle", middle, HEIGHT - 6, label) + text.format("end", LEFT - 8, 12, "notes")


def _recall_bar(row: WidthRecall, top: int) -> Markup:
    full = WIDTH - BAR_LEFT - BAR_RIGHT
    middle = top + ROW / 2
    length = full * min(max(row.recall, 0.0), 1.0)
    shapes = Markup(
        '<text class="tick" text-anchor="end" x="{0}" y="{1}">w{2}</text>'
        '<rect class="track" x="{3}" y="{4}" width="{5}" height="12" rx="2"/>'
        '<rect class="bar" x="{3}" y="{4}" width="{6:.2f}" height="12" rx="2"/>'
        '<text class="value" x="{7}" y="{1}">{8}</text>'
    )
    ends = (BAR_LEFT, middle - 6, full, length, BAR_LEFT + full + 10, recall(row.recall))
    return shapes.format(BAR_LEFT - 10, middle + 4.5, row.width, *ends)
