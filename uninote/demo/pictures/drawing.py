"""Scenes as pixels, and pixels as image files."""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from uninote.demo.pictures.scenes import Scene
from uninote.demo.pictures.strokes import GLYPHS, Square, mix, paint_glyph
from uninote.demo.pictures.subjects import COLOURS, RGB
from uninote.errors import UninoteError

SIDES = (96, 112, 128, 160, 192)
_FINE = 2  # drawn twice as large and shrunk: smooth edges
_ROWS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1,),),
    2: ((2,), (1, 1)),
    3: ((2, 1), (1, 2)),
    4: ((2, 2),),
    5: ((3, 2), (2, 3)),
}

_BANNERS: tuple[tuple[RGB, RGB], ...] = (
    ((250, 250, 250), (20, 20, 20)),
    ((25, 25, 30), (250, 250, 250)),
    ((150, 20, 30), (255, 240, 200)),
)

Frame = tuple[float, float, float, float]


def draw_scene(scene: Scene, rng: random.Random) -> Image.Image:
    """Draw a scene; size, places and sizes of the subjects come from `rng`. Returns RGB, 96 to 192 pixels a side."""
    width = rng.choice(SIDES)
    height = rng.choice(SIDES)
    image = Image.new("RGB", (width * _FINE, height * _FINE), COLOURS[scene.background].wall)
    canvas = ImageDraw.Draw(image)
    _paint_pattern(canvas, scene, rng)
    frame = _paint_text(canvas, scene.text, rng)
    for square in _place_subjects(frame, scene.count, rng):
        paint_glyph(canvas, GLYPHS[scene.subject], square, COLOURS[scene.colour].paint)
    return image.reduce(_FINE)


def crop_edges(image: Image.Image, rng: random.Random) -> Image.Image:
    """Cut up to 5 % off each side."""
    left, top, right, bottom = (rng.uniform(0.01, 0.05) for _ in range(4))
    width, height = image.size
    return image.crop((int(width * left), int(height * top), int(width * (1 - right)), int(height * (1 - bottom))))


def encode_image(image: Image.Image, extension: str, rng: random.Random, quality: int) -> bytes:
    """Encode as "jpg" or "png"; a third of the PNGs have transparent corners (RGBA), a third a palette."""
    buffer = io.BytesIO()
    if extension == "jpg":
        image.save(buffer, "JPEG", quality=quality)
    else:
        _dress_png(image, rng).save(buffer, "PNG")
    return buffer.getvalue()


def _dress_png(image: Image.Image, rng: random.Random) -> Image.Image:
    dress = rng.choice(("RGB", "RGBA", "P"))
    if dress == "P":
        return image.quantize(64, method=Image.Quantize.FASTOCTREE)
    if dress == "RGBA":
        corners = Image.new("L", image.size, 0)
        ImageDraw.Draw(corners).rounded_rectangle((0, 0, *image.size), radius=12, fill=255)
        image = image.copy()
        image.putalpha(corners)
    return image


def _paint_pattern(canvas: ImageDraw.ImageDraw, scene: Scene, rng: random.Random) -> None:
    width, height = canvas.im.size
    wall = COLOURS[scene.background].wall
    tint = mix(wall, (255, 255, 255), 0.5) if sum(wall) < 700 else mix(wall, (120, 120, 120), 0.25)
    step = rng.choice((24, 30, 36))
    if scene.pattern == "striped":
        _paint_stripes(canvas, (width, height), step, tint)
    elif scene.pattern == "dotted":
        for x in range(step // 2, width, step):
            for y in range(step // 2, height, step):
                canvas.ellipse((x - 5, y - 5, x + 5, y + 5), fill=tint)


def _paint_stripes(canvas: ImageDraw.ImageDraw, size: tuple[int, int], step: int, tint: RGB) -> None:
    width, height = size
    for x in range(0, width, step):
        canvas.rectangle((x, 0, x + step // 2, height), fill=tint)


def _paint_text(canvas: ImageDraw.ImageDraw, text: str, rng: random.Random) -> Frame:
    """Write `text` on a banner at the top or the bottom; returns the frame left for the subjects."""
    width, height = canvas.im.size
    if not text:
        return 0, 0, width, height
    font = _fit_font(text, width * 0.92)
    left, top, right, bottom = font.getbbox(text)
    band = bottom - top + 16
    at_top = rng.random() < 0.5
    edge = 0 if at_top else height - band
    paper, ink = rng.choice(_BANNERS)
    canvas.rectangle((0, edge, width, edge + band), fill=paper)
    canvas.text(((width - right + left) / 2 - left, edge + 8 - top), text, font=font, fill=ink)
    return (0, band, width, height) if at_top else (0, 0, width, height - band)


def _fit_font(text: str, width: float) -> ImageFont.FreeTypeFont:
    for size in (44, 36, 30, 26):
        if _font(size).getlength(text) <= width:
            return _font(size)
    return _font(22)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UninoteError("this Pillow lacks FreeType, needed to write text in the demo images: install its wheel")
    return font


def _place_subjects(frame: Frame, count: int, rng: random.Random) -> list[Square]:
    left, top, right, bottom = frame
    rows = rng.choice(_ROWS[count])
    row_height = (bottom - top) / len(rows)
    side = min((right - left) / max(rows), row_height) * rng.uniform(0.74, 0.94)
    mirrored = rng.random() < 0.5
    squares = []
    for row, in_row in enumerate(rows):
        cell_width = (right - left) / in_row
        for column in range(in_row):
            x = left + cell_width * column + (cell_width - side) * rng.uniform(0.3, 0.7)
            y = top + row_height * row + (row_height - side) * rng.uniform(0.3, 0.7)
            squares.append(Square(x, y, side, mirrored))
    return squares
