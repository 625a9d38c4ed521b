"""Curves of recall against CPU-seconds, as an SVG that stands alone."""

from __future__ import annotations

import math
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 56, 120, 32, 44
LOWEST = 0.8  # recall where the vertical axis starts; what is below is not drawn
COLOURS = ("#c0392b", "#34495e", "#2980b9", "#16a085", "#8e44ad", "#d68910", "#7f8c8d")


def draw_curves(title: str, runs: list[dict[str, Any]]) -> str:
    """Return an SVG with a line for each method of `runs`: CPU-seconds, a log axis, against recall."""
    shown = [run for run in runs if run["recall"] >= LOWEST]
    seconds = [run["cpu_s"] for run in shown] or [1.0]
    low, high = math.floor(math.log10(min(seconds))), max(1, math.ceil(math.log10(max(seconds))))

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - low) / max(1, high - low) * (WIDTH - LEFT - RIGHT)

    def y(recall: float) -> float:
        return HEIGHT - BOTTOM - (recall - LOWEST) / (1 - LOWEST) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 20, f"{title}: recall@20 by CPU-seconds, one thread")]
    for power in range(low, high + 1):
        for value in (step * 10.0**power for step in (1, 2, 5) if power < high or step == 1):
            parts += [_line(x(value), TOP, x(value), HEIGHT - BOTTOM), _text(x(value), HEIGHT - 24, f"{value:g}")]
    for recall in (LOWEST, 0.85, 0.9, 0.95, 0.98, 1.0):
        parts += [_line(LEFT, y(recall), WIDTH - RIGHT, y(recall)), _text(16, y(recall) + 4, f"{recall:.2f}")]
    for number, method in enumerate(dict.fromkeys(run["method"] for run in shown)):
        points = [(x(run["cpu_s"]), y(run["recall"])) for run in shown if run["method"] == method]
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>' for left, top in points]
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 18 * number + 10, method, colour))
    content = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{content}\n</svg>\n'
    )


def _text(left: float, top: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" fill="{colour}">{words}</text>'


def _line(left: float, top: float, right: float, bottom: float) -> str:
    return f'<line x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}" stroke="#ddd"/>'
