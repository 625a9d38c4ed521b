"""The pen of the scenes: simple shapes on a 100 × 100 sheet, and painting them into a square of a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from PIL import ImageDraw

from uninote.demo.subjects import RGB

FIXED: dict[str, RGB] = {
    "ink": (40, 36, 40),
    "paper": (250, 248, 240),
    "leaf": (70, 150, 70),
    "wood": (130, 88, 52),
    "glow": (255, 200, 60),
    "steel": (170, 176, 184),
}


class Stroke(NamedTuple):
    """One shape. `shade` is main, dark, light (of the subject's colour) or a name in FIXED; y grows downwards."""

    shape: str
    shade: str
    points: tuple[float, ...]


Glyph = tuple[Stroke, ...]


def oval(shade: str, x0: float, y0: float, x1: float, y1: float) -> Stroke:
    """An ellipse in its box."""
    return Stroke("oval", shade, (x0, y0, x1, y1))


def box(shade: str, x0: float, y0: float, x1: float, y1: float) -> Stroke:
    """A rectangle."""
    return Stroke("box", shade, (x0, y0, x1, y1))


def poly(shade: str, *points: float) -> Stroke:
    """A filled polygon: x, y, x, y, …"""
    return Stroke("poly", shade, points)


def line(shade: str, *points: float) -> Stroke:
    """A thick open line: x, y, x, y, …"""
    return Stroke("line", shade, points)


def ring(shade: str, x0: float, y0: float, x1: float, y1: float) -> Stroke:
    """The thick outline of an ellipse."""
    return Stroke("ring", shade, (x0, y0, x1, y1))


def dome(shade: str, x0: float, y0: float, x1: float, y1: float) -> Stroke:
    """The upper half of an ellipse; the box is the whole ellipse's."""
    return Stroke("dome", shade, (x0, y0, x1, y1))


def basin(shade: str, x0: float, y0: float, x1: float, y1: float) -> Stroke:
    """The lower half of an ellipse; the box is the whole ellipse's."""
    return Stroke("basin", shade, (x0, y0, x1, y1))


@dataclass(frozen=True, slots=True)
class Square:
    """Where a glyph goes on the canvas, in pixels; `mirrored` turns left and right."""

    left: float
    top: float
    side: float
    mirrored: bool = False

    def place(self, points: tuple[float, ...]) -> list[tuple[float, float]]:
        """Turn sheet coordinates into canvas pixels."""
        scale = self.side / 100
        return [
            (self.left + (100 - x if self.mirrored else x) * scale, self.top + y * scale)
            for x, y in zip(points[::2], points[1::2], strict=True)
        ]


def mix(colour: RGB, other: RGB, share: float) -> RGB:
    """Blend `share` of `other` into `colour`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def paint_glyph(canvas: ImageDraw.ImageDraw, glyph: Glyph, square: Square, colour: RGB) -> None:
    """Paint a glyph into `square` with `colour` as its main shade."""
    shades = FIXED | {
        "main": colour,
        "dark": mix(colour, (0, 0, 0), 0.42),
        "light": mix(colour, (255, 255, 255), 0.55),
    }
    outline = mix(colour, (20, 20, 30), 0.65)
    for stroke in glyph:
        _paint_stroke(canvas, stroke, square, (shades[stroke.shade], outline))


def _paint_stroke(canvas: ImageDraw.ImageDraw, stroke: Stroke, square: Square, inks: tuple[RGB, RGB]) -> None:
    fill, outline = inks
    points = square.place(stroke.points)
    edge = max(1, round(square.side * 0.018))
    thick = max(2, round(square.side * 0.06))
    match stroke.shape:
        case "poly":
            canvas.polygon(points, fill=fill, outline=outline, width=edge)
        case "line":
            canvas.line(points, fill=fill, width=thick, joint="curve")
        case "oval":
            canvas.ellipse(_upright(points), fill=fill, outline=outline, width=edge)
        case "box":
            canvas.rectangle(_upright(points), fill=fill, outline=outline, width=edge)
        case "ring":
            canvas.ellipse(_upright(points), outline=fill, width=thick)
        case "dome":
            canvas.pieslice(_upright(points), 180, 360, fill=fill, outline=outline, width=edge)
        case "basin":
            canvas.pieslice(_upright(points), 0, 180, fill=fill, outline=outline, width=edge)


def _upright(points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    (x0, y0), (x1, y1) = points
    return min(x0, x1), y0, max(x0, x1), y1
