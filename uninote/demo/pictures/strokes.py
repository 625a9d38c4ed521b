"""The pen of the scenes: simple shapes on a 100 × 100 sheet, and painting them into a square of a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from PIL import ImageDraw
from pydantic import AfterValidator, TypeAdapter

from uninote.demo.material.data_files import read_data
from uninote.demo.pictures.subjects import RGB

FIXED: dict[str, RGB] = {
    "ink": (40, 36, 40),
    "paper": (250, 248, 240),
    "leaf": (70, 150, 70),
    "wood": (130, 88, 52),
    "glow": (255, 200, 60),
    "steel": (170, 176, 184),
}


Shape = Literal["oval", "box", "poly", "line", "ring", "dome", "basin"]
Shade = Literal["main", "dark", "light", "ink", "paper", "leaf", "wood", "glow", "steel"]


def _check_points(points: tuple[float, ...]) -> tuple[float, ...]:
    if len(points) < 4 or len(points) % 2:
        raise ValueError(f"a stroke needs two points or more, x and y of each, not {len(points)} numbers")
    return points


class Stroke(NamedTuple):
    """One shape, as a list in data/glyphs.json.

    - poly, line: a filled polygon and a thick open line through the points x, y, x, y, …
    - box: a rectangle by two opposite corners.
    - oval, ring, dome, basin: the ellipse in the box of two opposite corners: filled, its thick outline, its upper
      half, its lower half.

    `shade` is main, dark or light (of the subject's colour) or a name in FIXED. Coordinates are of a 100 × 100 sheet;
    y grows downwards.
    """

    shape: Shape
    shade: Shade
    points: Annotated[tuple[float, ...], AfterValidator(_check_points)]


Glyph = tuple[Stroke, ...]
# How each subject is drawn.
GLYPHS: dict[str, Glyph] = read_data("glyphs", TypeAdapter(dict[str, Glyph]))


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
        placed = []
        for x, y in zip(points[::2], points[1::2], strict=True):
            across = 100 - x if self.mirrored else x
            placed.append((self.left + across * scale, self.top + y * scale))
        return placed


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
    # Lines grow with the glyph, and are never thinner than one pixel.
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
